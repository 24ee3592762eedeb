"""What was done lately, by kind, and how each ended last: so that somebody who looks later sees what went on."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from firstboot.actions import REPAIRED
from firstboot.happened import STARTED
from firstboot.reconcile import Outcome, State

KEPT = 20
"""Entries of each kind."""

REPAIRS_TOLD = 5

UNTIL_THEN, RIGHT = "until then: ", "it was right"
FOLLOWED: Mapping[str, Sequence[str]] = {"withdrawal": ("reach", "offer", "wifi", "uplink")}
"""What a kind does because of others: those of which the first that has something to say says why."""


@dataclass(frozen=True)
class Entry:
    """What a kind did (`is_deed`), or what became of it. `when`: UTC, as `2026-01-31 23:59:59`.

    `why`: what had happened, or what it is known from; "" where no more is known than that the configuration wants it.
    """

    when: str
    kind: str
    what: str
    why: str = ""
    is_deed: bool = False

    def __str__(self) -> str:
        return f"{self.when} {self.what}"


class History:
    """The last entries of each kind, the oldest first. An entry is a time (UTC) and what was done, or went wrong.

    The pass writes it, in its thread; whoever reads meanwhile sees the outcomes of one pass and never of two.
    """

    def __init__(self) -> None:
        self._entries: dict[str, deque[tuple[Entry, tuple[str, ...]]]] = defaultdict(lambda: deque(maxlen=KEPT))
        """With the keys of the specs that it is about; of what is about the whole kind, none."""
        self._last: Mapping[str, Outcome] = {}

    @property
    def last(self) -> Mapping[str, Outcome]:
        """How each kind ended in the last pass, of those that had a say in it."""
        return self._last

    def note(self, outcomes: Iterable[Outcome], now: datetime | None = None) -> None:
        """Remember what a pass did, and a problem when it is another than before."""
        when = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S")
        noted = {outcome.kind: outcome for outcome in outcomes}
        for kind, outcome in noted.items():
            why = (_why(kind, noted) or outcome.because) if self._last else STARTED
            for line, keys in zip_longest(outcome.done, outcome.about, fillvalue=()):
                self._entries[kind].append((Entry(when, kind, str(line), why, is_deed=True), keys))
            before = self._last[kind].error if kind in self._last else ""
            if outcome.error != before:
                entry = Entry(when, kind, outcome.error or "right again", _why_so(outcome, before))
                self._entries[kind].append((entry, ()))
        self._last = noted

    def of(self, kind: str, meant: Collection[str] | None = None) -> Sequence[str]:
        """The entries of a kind; `meant`: but for those that are about other specs than the ones with these keys."""
        entries = tuple(self._entries.get(kind, ()))
        return [str(entry) for entry, keys in entries if meant is None or not keys or not set(meant).isdisjoint(keys)]

    def lately(self) -> Sequence[Entry]:
        """The entries of all kinds, the newest first; of one moment, in the order in which they were made."""
        return sorted(self._all(), key=lambda entry: entry.when, reverse=True)

    def repairs(self) -> Sequence[str]:
        """The last entries that say what somebody else had changed, of all kinds, the oldest first."""
        told = sorted((entry.when, entry.kind, entry.what) for entry in self._all() if REPAIRED in entry.what)
        return [f"{when} {kind}: {what}" for when, kind, what in told[-REPAIRS_TOLD:]]

    def _all(self) -> Sequence[Entry]:
        return [entry for entries in tuple(self._entries.values()) for entry, _ in tuple(entries)]


def _why_so(outcome: Outcome, before: str) -> str:
    """Why something is not right, or right again: where that says by itself what happened, what was before that."""
    says_all = not outcome.error or (outcome.because != "" and outcome.because in outcome.error)
    return outcome.grounds or (f"{UNTIL_THEN}{before or RIGHT}" if says_all else outcome.because)


def _why(kind: str, outcomes: Mapping[str, Outcome]) -> str:
    causes = (outcomes[name] for name in FOLLOWED.get(kind, ()) if name in outcomes)
    return next((cause.error for cause in causes if cause.error and cause.state is not State.BLOCKED), "")
