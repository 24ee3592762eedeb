"""Noticing that something else keeps changing back what the daemon puts right, and giving way for a while.

Two programs that each know better would otherwise take turns for ever: the machine would be busy with that, and what
is fought over would be neither one thing nor the other. So after some repairs in short succession, or more of them in
longer time, it is left alone, each time for longer, and it is said who does it, as far as that is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CALM_S = 900.0
"""After so long without a repair, what was is forgotten."""

PACES = 2
"""It is left alone for at least so many times as long as the other one takes: else nothing would come of it."""


@dataclass(frozen=True)
class Limits:
    """`windows`: so many repairs of one thing within so many seconds are no accident. Left alone: at first, at most."""

    windows: tuple[tuple[int, float], ...]
    first_hold_s: float
    longest_hold_s: float

    def pace_s(self, repairs: Sequence[float]) -> float | None:
        """The mean time between these, in order, where they are too many in a window that ends with the last one."""
        for count, within_s in self.windows:
            if len(repairs) >= count and (took_s := repairs[-1] - repairs[-count]) <= within_s:
                return took_s / (count - 1)
        return None


USUAL = Limits(((5, 10.0), (10, 600.0), (20, 3600.0)), 10.0, 300.0)
"""What a cable, a lease or an update makes necessary now and then is less than the last of these."""

INTERRUPTING = Limits(((3, 600.0), (6, 3600.0)), 60.0, 1800.0)
"""Of what interrupts somebody each time that it is put right."""

_REMEMBERED = max(count for limits in (USUAL, INTERRUPTING) for count, _ in limits.windows)


@dataclass
class _Contest:
    hold_s: float
    repairs: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    until_s: float = 0.0
    writer: str = ""
    wanted: object = None


class Contests:
    """What is fought over, by kind and key. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], _Contest] = {}

    def repaired(
        self,
        kind: str,
        key: str,
        wanted: object,
        now_s: float,
        *,
        limits: Limits = USUAL,
        writer: Callable[[float], str] = lambda _: "",
    ) -> bool:
        """Note that something was put right; whether it is left alone from now on.

        Where something else is wanted than the last time, or on another footing, nobody has changed it back: it is we
        who changed it, or what it was on is gone. `writer` names who has changed it
        since then, or nobody.
        """
        self._forget(now_s)
        contest = self._by_key.setdefault((kind, key), _Contest(limits.first_hold_s, wanted=wanted))
        if contest.wanted != wanted:
            contest.wanted = wanted
            contest.repairs.clear()
        contest.repairs.append(now_s)
        pace_s = limits.pace_s(contest.repairs)
        if pace_s is None:
            return False
        contest.writer = writer(contest.repairs[-2])
        contest.repairs.clear()
        contest.repairs.append(now_s)
        hold_s = max(contest.hold_s, PACES * pace_s)
        contest.until_s = now_s + hold_s
        contest.hold_s = min(2 * hold_s, limits.longest_hold_s)
        return True

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
        ended = {key: max(contest.repairs[-1], contest.until_s) for key, contest in self._by_key.items()}
        calm = [key for key, ended_s in ended.items() if now_s - ended_s > CALM_S]
        for key in calm:
            del self._by_key[key]
