"""How far writing or reading back is: how much, how fast, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from image.events import Events


@dataclass
class Meter:
    """One step."""

    events: Events
    stage: str
    total_bytes: int | None
    """None if that is not known."""
    began: float = field(default_factory=time.monotonic)
    done_bytes: int = 0

    def add(self, size: int) -> None:
        """So many bytes more are done."""
        self.done_bytes += size
        self.events.advanced(self.stage, self.done_bytes, self.total_bytes, time.monotonic() - self.began)


@contextmanager
def measured(events: Events, stage: str, total_bytes: int | None) -> Iterator[Meter]:
    """Tell of a step from its beginning to its end."""
    events.started(stage)
    meter = Meter(events, stage, total_bytes)
    try:
        yield meter
    finally:
        events.clear()
    events.finished(stage, time.monotonic() - meter.began)
