"""Telling a person: the report on the card, or in /run on a machine that has none.

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
STARTING = "STARTING: nothing is known yet. If this stays, the appliance could not start: {advice}.\r\n"
TRY_ANOTHER_CARD = "try another card"
READ_THE_JOURNAL = "`journalctl -u appliance` says why"
"""For whoever has more than the card."""

log = logging.getLogger("appliance")


class Report:
    """The file. `advice`: what to do where it says no more than that the daemon starts."""

    def __init__(
        self,
        path: Path,
        *,
        advice: str = TRY_ANOTHER_CARD,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._advice, self._clock, self._now = path, advice, clock, now
        self._wanted = self._written = ""
        self._next_s = 0.0
        self._failed = False

    def begin(self) -> None:
        """Take back what an earlier run has said; it does not count as a word of ours."""
        self._write(STARTING.format(advice=self._advice))

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
        stamp = self._now().strftime("Written %Y-%m-%d %H:%M UTC, as far as this machine knows the time.\r\n")
        try:
            files.replace(self._path, (content + "\r\n" + stamp).encode())
        except ApplianceError as error:
            if not self._failed:
                log.warning("%s", error)
            self._failed = True
            return False
        self._failed = False
        return True
