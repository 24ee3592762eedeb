"""What a build tells while it runs: a line for each stage when it ends, and before that, on a terminal, how far it is;
or JSON events.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from image.phrases import PHRASES

REDRAW_S = 0.2
UNKNOWN_STEP_BYTES = 1 << 28
"""How often progress is told in lines where nobody knows how much it will be."""
LONG_S = 100
"""From here on, minutes are told."""
DONE_COLUMN, PLANNED_COLUMN = 22, 38
"""Where it ends what is told of a stage; what that makes stands behind it."""


@dataclass
class Events:
    """Where a build's progress goes. As JSON, one object a line: `event`, and what belongs to it."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    as_json: bool = False
    _drawn_at: float = 0.0
    _line_open: bool = False
    _tenth_told: tuple[str, int] = ("", 0)

    def started(self, stage: str) -> None:
        """A stage begins; people are told of it by one line, when it ends, in place of what a terminal shows now."""
        if self.as_json:
            self._tell({"event": "start", "stage": stage}, "")
        elif self._is_drawn:
            self._drawn_at = 0.0
            self._draw(f"{': '.join(filter(None, (stage, PHRASES.get(stage))))} …")

    def planned(self, stage: str, seconds: float | None) -> None:
        """A stage would run; `seconds`: how long it took the last time."""
        event: dict[str, str | float] = {"event": "planned", "stage": stage}
        text = f"{stage}: would run"
        if seconds is not None:
            event, text = {**event, "seconds": seconds}, f"{text}, about {duration(seconds)}"
        self._tell(event, _explained(stage, text, PLANNED_COLUMN))

    def estimate(self, known: Mapping[str, float], unknown: Sequence[str]) -> None:
        """How long all together would take, by the seconds of each stage; of some that may be unknown."""
        seconds = sum(known.values())
        match bool(known), bool(unknown):
            case False, False:
                text = "nothing would be done"
            case False, True:
                text = "all: never timed here"
            case True, False:
                text = f"all: about {duration(seconds)}"
            case _:
                text = f"all: about {duration(seconds)}, and {', '.join(unknown)}, never timed here"
        self._tell({"event": "estimate", "seconds": round(seconds, 3), "unknown": list(unknown)}, text)

    def cached(self, stage: str) -> None:
        """A stage's result was there already."""
        self._tell({"event": "cached", "stage": stage}, f"{stage}: unchanged")

    def finished(self, stage: str, seconds: float) -> None:
        """A stage is done."""
        text = _explained(stage, f"{stage}: {duration(seconds)}", DONE_COLUMN)
        self._tell({"event": "done", "stage": stage, "seconds": round(seconds, 3)}, text)

    def failed(self, stage: str) -> None:
        """A stage broke off: for people; programs are not told of its end."""
        if not self.as_json:
            self._tell({}, f"{stage}: failed")

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Tell of a stage, which is the block, from its beginning to its end."""
        began = time.monotonic()
        self.started(stage)
        try:
            yield
        finally:
            self.clear()
        self.finished(stage, time.monotonic() - began)

    def stamped(self, device: str, path: str, new_bytes: int, seconds: float) -> None:
        """The image of one device is there."""
        fields: dict[str, str | int | float] = {"device": device, "path": path, "new_bytes": new_bytes}
        text = f"{device}: {path}, {new_bytes / 1e6:.2f} MB new, {seconds:.2f} s"
        self._tell({"event": "stamped", **fields, "seconds": round(seconds, 3)}, text)

    def disk(self, path: str, size_bytes: int, transport: str, model: str, mounts: Sequence[str]) -> None:
        """A disk that one can choose."""
        fields = {"path": path, "size_bytes": size_bytes, "transport": transport, "model": model}
        words = [f"{size_bytes / 1e9:6.1f} GB", model, f"({transport})" if transport else "", _mounted(mounts)]
        text = f"{path:<14} {'  '.join(filter(None, words))}"
        self._tell({"event": "disk", **fields, "mounts": list(mounts)}, text)

    def note(self, text: str) -> None:
        """Something that the user should know."""
        self._tell({"event": "note", "text": text}, text)

    def result(self, text: str, **facts: str | int | float) -> None:
        """What is there now: in words for people, in facts for programs."""
        self._tell({"event": "result", **facts}, text)

    def progress(self, what: str, done: int, total: int | None) -> None:
        """How far something is, in bytes; redrawn in place on a terminal, and silent elsewhere."""
        if self._is_drawn:
            self._draw(f"{what}: {_share(done, total)}{done / 1e6:.0f} MB")

    def advanced(self, stage: str, done: int, total: int | None, seconds: float, rate: float | None) -> None:
        """How far a stage is that takes minutes, in bytes, `seconds` after it began.

        `rate`: how many bytes a second; None while that cannot be judged. Redrawn in place on a terminal, elsewhere
        told at every tenth of it.
        """
        text = f"{stage}: {_share(done, total)}{done / 1e6:.0f} MB"
        if rate:
            text += f", {rate / 1e6:.1f} MB/s" + (f", {duration((total - done) / rate)} left" if total else "")
        if self._is_drawn:
            self._draw(text)
            return
        tenth = (stage, done * 10 // total if total else done // UNKNOWN_STEP_BYTES)
        if tenth[1] and tenth != self._tenth_told:
            self._tenth_told = tenth
            event = {"event": "progress", "stage": stage, "done_bytes": done, "total_bytes": total}
            self._tell({**event, "seconds": round(seconds, 3)}, text)

    def clear(self) -> None:
        """Take an open progress line away, so that what others print begins on a line of its own."""
        if self._line_open:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._line_open = False

    @property
    def _is_drawn(self) -> bool:
        return not self.as_json and self.stream.isatty()

    def _draw(self, text: str) -> None:
        """Show how far something is, in place of what was drawn before, and not all too often."""
        now = time.monotonic()
        if now - self._drawn_at < REDRAW_S:
            return
        self._drawn_at = now
        self.stream.write(f"\r\x1b[K  {text}")
        self.stream.flush()
        self._line_open = True

    def _tell(self, event: Mapping[str, object], text: str) -> None:
        self.clear()
        self.stream.write((json.dumps(event) if self.as_json else text) + "\n")
        self.stream.flush()


def _explained(stage: str, text: str, column: int) -> str:
    return f"{text:<{column}}  {PHRASES[stage]}" if stage in PHRASES else text


def _mounted(points: Sequence[str]) -> str:
    return f"mounted at {', '.join(points)}" if points else ""


def _share(done: int, total: int | None) -> str:
    return f"{done * 100 // total:3d} %  " if total else ""


def duration(seconds: float) -> str:
    """As one says it."""
    if seconds < LONG_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
