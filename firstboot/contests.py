"""Noticing that something else keeps changing back what the daemon puts right, and giving way for a while.

Two programs that each know better would otherwise take turns for ever: the machine would be busy with that, and what
is fought over would be neither one thing nor the other. So after some repairs in short succession it is left alone,
each time for longer, and it is said who does it, as far as that is known.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

REPAIRS = 5
WITHIN_S = 10.0
"""So many repairs of one thing within that time are no accident."""

FIRST_HOLD_S, LONGEST_HOLD_S = 10.0, 300.0
CALM_S = 900.0
"""After so long without a repair, what was is forgotten."""


@dataclass
class _Contest:
    repairs: deque[float] = field(default_factory=lambda: deque(maxlen=REPAIRS))
    hold_s: float = FIRST_HOLD_S
    until_s: float = 0.0
    writer: str = ""
    wanted: object = None


class Contests:
    """What is fought over, by kind and key. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], _Contest] = {}

    def repaired(self, kind: str, key: str, wanted: object, now_s: float) -> bool:
        """Note that something was put right; whether it is left alone from now on.

        Where something else is wanted than the last time, it is we who changed it.
        """
        self._forget(now_s)
        contest = self._by_key.setdefault((kind, key), _Contest(wanted=wanted))
        if contest.wanted != wanted:
            contest.wanted = wanted
            contest.repairs.clear()
        contest.repairs.append(now_s)
        if len(contest.repairs) < REPAIRS or now_s - contest.repairs[0] > WITHIN_S:
            return False
        contest.repairs.clear()
        contest.repairs.append(now_s)
        contest.until_s = now_s + contest.hold_s
        contest.hold_s = min(2 * contest.hold_s, LONGEST_HOLD_S)
        return True

    def name(self, kind: str, key: str, writer: str) -> None:
        """Note who does it."""
        self._by_key[kind, key].writer = writer

    def held(self, kind: str, key: str, now_s: float) -> bool:
        """Whether it is left alone now."""
        contest = self._by_key.get((kind, key))
        return contest is not None and now_s < contest.until_s

    def told(self, kind: str, key: str, now_s: float) -> str:
        """Why it is left alone, in a person's words."""
        contest = self._by_key[kind, key]
        who = contest.writer or "something else"
        return f"{who} keeps changing {key}; it is left alone for {contest.until_s - now_s:.0f} s"

    def _forget(self, now_s: float) -> None:
        calm = [key for key, contest in self._by_key.items() if now_s - contest.repairs[-1] > CALM_S]
        for key in calm:
            del self._by_key[key]
