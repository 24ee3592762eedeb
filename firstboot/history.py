"""What was done lately, by kind: so that somebody who looks later sees what went on."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime

from firstboot.reconcile import Outcome

KEPT = 20
"""Entries of each kind."""


class History:
    """The last entries of each kind, the oldest first. An entry is a time (UTC) and what was done, or went wrong."""

    def __init__(self) -> None:
        self._entries: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._errors: dict[str, str] = {}

    def note(self, outcome: Outcome, now: datetime | None = None) -> None:
        """Remember what was done, and a problem when it is another than before."""
        when = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S")
        self._entries[outcome.kind].extend(f"{when} {line}" for line in outcome.done)
        if outcome.error != self._errors.get(outcome.kind, ""):
            self._entries[outcome.kind].append(f"{when} {outcome.error or 'right again'}")
        self._errors[outcome.kind] = outcome.error

    def of(self, kind: str) -> Sequence[str]:
        """The entries of a kind."""
        return tuple(self._entries.get(kind, ()))
