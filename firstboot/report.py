"""Telling: the status for programs in /run, and the report for a person on the card.

The card wears out and may be pulled out, so the report is written only when something else is to be told,
and not more often than every `SPACING_S`; the last word always gets there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import ApplianceError
from firstboot import files

SPACING_S = 30.0
STARTING = "STARTING: nothing is known yet. If this stays, the appliance could not start: try another card.\r\n"

log = logging.getLogger("appliance")


class Report:
    """The file on the card."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._clock, self._now = path, clock, now
        self._wanted = self._written = ""
        self._next_s = 0.0
        self._failed = False

    def begin(self) -> None:
        """Take back what an earlier run has said; it does not count as a word of ours."""
        self._write(STARTING)

    def tell(self, content: str) -> None:
        """Have this written, now or when its time has come."""
        self._wanted = content
        self.flush()

    def flush(self) -> None:
        """Write what is due."""
        if self._wanted == self._written or self._clock() < self._next_s:
            return
        self._next_s = self._clock() + SPACING_S
        if self._write(self._wanted):
            self._written = self._wanted

    def due_s(self) -> float | None:
        """In how many seconds `flush` has something to do; None: never."""
        return None if self._wanted == self._written else max(0.0, self._next_s - self._clock())

    def _write(self, content: str) -> bool:
        stamp = self._now().strftime("Written %Y-%m-%d %H:%M UTC, as far as the Pi knows the time.\r\n")
        try:
            files.replace(self._path, (content + "\r\n" + stamp).encode())
        except ApplianceError as error:
            if not self._failed:
                log.warning("%s", error)
            self._failed = True
            return False
        self._failed = False
        return True
