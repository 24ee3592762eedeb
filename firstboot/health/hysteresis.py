"""When silence counts as death, and answers as health: so that what comes and goes is not offered to anybody. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

MISSES = 4
"""So many rounds in a row without an answer mean that the tunnel is dead."""

STEADY_S = 30.0
"""Who was dead must have answered for so long to be alive again."""

SLIPS = 1
"""So many rounds of these may be lost, as on the Internet some always are."""


@dataclass(frozen=True)
class Hysteresis:
    """Whether the tunnel counts as alive. Times are in seconds, by a clock that never goes back.

    `alive`: None as long as nobody has ever answered, when the first answer suffices.
    """

    alive: bool | None = None
    misses: int = 0
    steady_since_s: float | None = None
    slips: int = 0

    def after(self, answered: bool, now_s: float) -> Hysteresis:
        """The same after another round."""
        if not answered:
            misses, slips = self.misses + 1, self.slips + 1
            since_s = self.steady_since_s if slips <= SLIPS else None
            return Hysteresis(self.alive and misses < MISSES, misses, since_s, slips)
        if self.alive is not False or self.steady_since_s is None:
            return Hysteresis(self.alive is not False, 0, now_s)
        return replace(self, alive=now_s - self.steady_since_s >= STEADY_S, misses=0)

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is to be asked again at once."""
        return self.alive is not False and 0 < self.misses < MISSES

    @property
    def is_silent(self) -> bool:
        """Whether it has said nothing for so long that there must be a reason."""
        return self.misses >= MISSES

    @property
    def is_recovering(self) -> bool:
        """Whether it answers, and does not count as alive yet."""
        return self.alive is False and not self.is_silent

    @property
    def answers(self) -> bool | None:
        """Whether it has answered lately; None while it is too early to say that it will not."""
        return False if self.is_silent else None if self.alive is None else True


@dataclass(frozen=True)
class Presence:
    """Whether a host that is only asked in doubt is there: once without an answer is nothing."""

    known: bool | None = None
    misses: int = 0

    def after(self, answered: bool | None) -> Presence:
        """The same after another round; None: it was not asked."""
        if answered is None:
            return self
        misses = 0 if answered else self.misses + 1
        return Presence(True if answered else False if misses > 1 else self.known, misses)
