"""How far writing or reading back is: how much, how fast, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from image.events import Events

SETTLED_S = 3.0
"""How long pieces must have come before it is said how fast: the first is a small one, and waits for the disk."""


@dataclass
class Meter:
    """One step."""

    events: Events
    stage: str
    total_bytes: int | None
    """None if that is not known."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.done_bytes = 0
        self._first: tuple[float, int] | None = None

    def add(self, size: int) -> None:
        """So many bytes more are done."""
        self.done_bytes += size
        now = self.clock()
        first_at, first_bytes = self._first = self._first or (now, self.done_bytes)
        seconds = now - first_at
        rate = (self.done_bytes - first_bytes) / seconds if seconds >= SETTLED_S else None
        self.events.advanced(self.stage, self.done_bytes, self.total_bytes, now - self.began, rate)


@contextmanager
def measured(events: Events, stage: str, total_bytes: int | None) -> Iterator[Meter]:
    """Tell of a step from its beginning to its end."""
    with events.running(stage):
        yield Meter(events, stage, total_bytes)
