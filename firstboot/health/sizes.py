"""Finding the largest packet that the tunnel carries: by bisection, where full ones vanish. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

SMALLEST = 576
"""Less would be of no use to anybody."""

TRIES = 3
"""A packet of a size that was lost so often, while small ones were not, is too large."""


@dataclass(frozen=True)
class Sizes:
    """The search. Sizes are in bytes, of whole IPv6 packets.

    `full`: what shall pass; `passes`: what is known to; `fails`: the least that is known not to (0: none is);
    `misses`: how often the size that is being tried was lost; `confirming`: it is the largest one that passed before.
    """

    full: int
    passes: int = SMALLEST
    fails: int = 0
    misses: int = 0
    confirming: bool = False

    @property
    def to_try(self) -> int:
        """The size to be tried next: the full one and the largest by turns, or the middle of what is not known."""
        if self.confirming:
            return self.passes
        return (self.passes + self.fails) // 2 if self.is_searching else self.full

    @property
    def is_searching(self) -> bool:
        """Whether full packets vanish, and it is not known yet which do not."""
        return self.fails > 0 and self.fails - self.passes > 1

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next attempt shall be made at once."""
        return self.is_searching or 0 < self.misses < TRIES

    @property
    def largest(self) -> int | None:
        """The largest that passes, where it is not the full one and known."""
        return self.passes if self.fails and not self.is_searching else None

    def after(self, passed: bool) -> Sizes:
        """The same after `to_try` was tried, while small packets passed."""
        size = self.to_try
        if passed and size == self.full:
            return Sizes(self.full)
        if passed:
            return replace(self, passes=size, misses=0, confirming=False)
        if self.misses + 1 < TRIES:
            return replace(self, misses=self.misses + 1)
        if self.confirming:
            return Sizes(self.full, fails=size)
        if size == self.full and self.fails:
            return replace(self, misses=0, confirming=True)  # still as it was found
        return replace(self, fails=size, misses=0)
