"""What the rounds of questions have shown so far, one after the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from firstboot.health.diagnosis import IPV6_MIN_MTU
from firstboot.health.evidence import Evidence, Objection, Trace
from firstboot.health.hysteresis import MISSES, Hysteresis, Presence
from firstboot.health.question import Question
from firstboot.health.sizes import Sizes

RECENT = 24
"""So many rounds are lately: a minute of them."""

BEYOND_EVERY = 4
"""Of so many rounds of a healthy tunnel one asks somebody beyond it. Whether it is there itself, its far end tells."""

FULL_EVERY_S = 60.0
"""How often a packet of full size is tried."""

TRACED_AFTER, TRACED_EVERY = (1, 2), 12
"""After so many rounds without an answer it is looked how far packets get, and again each time after so many more."""


@dataclass(frozen=True)
class Round:
    """What one round of questions has shown. None: that was not asked.

    `size`: whether the packet of the size that was to be tried came back, or the kernel knows that it is too large.
    """

    far_end: bool
    beyond: bool | None
    server: bool | None = None
    next_hop: bool | None = None
    objections: frozenset[Objection] = frozenset()
    trace: Trace = field(default_factory=Trace)
    size: bool | None = None


@dataclass(frozen=True)
class Record:
    """All that is remembered of the rounds."""

    sizes: Sizes
    life: Hysteresis = field(default_factory=Hysteresis)
    """Of the tunnel as a whole: hosts beyond it answer, or its far end does where nobody else is asked."""
    far_end: Hysteresis = field(default_factory=Hysteresis)
    server: Presence = field(default_factory=Presence)
    next_hop: Presence = field(default_factory=Presence)
    losses: tuple[bool, ...] = ()
    """Of the last rounds: whether an answer stayed away that should have come."""
    objections: frozenset[Objection] = frozenset()
    trace: Trace = field(default_factory=Trace)
    carried_from: IPv4Address | None = None
    sized_at_s: float | None = None
    unasked: int = 0
    """So many rounds have come since the last one that asked somebody beyond."""

    def after(self, found: Round, asked: Question, now_s: float) -> Record:
        """The same after another round."""
        answered = found.far_end or bool(found.beyond)
        return replace(
            self,
            sizes=self._sizes(found),
            life=self._life(found, now_s),
            far_end=self.far_end.after(found.far_end, now_s),
            server=self.server.after(found.server),
            next_hop=self.next_hop.after(found.next_hop),
            losses=self._losses(found),
            objections=frozenset() if answered else self.objections | found.objections,
            trace=Trace() if answered else self.trace.joined(found.trace),
            carried_from=asked.local if answered else self.carried_from,
            sized_at_s=self.sized_at_s if found.size is None else now_s,
            unasked=self.unasked + 1 if found.beyond is None else 0,
        )

    def _life(self, found: Round, now_s: float) -> Hysteresis:
        """An answer of the far end says nothing of what is beyond it; that there is none brings doubt."""
        if found.beyond is None and found.far_end:
            return self.life
        return self.life.after(bool(found.beyond), now_s)

    def with_full(self, full: int) -> Record:
        """The same where the largest packet that shall pass is another."""
        return replace(self, sizes=Sizes(full), sized_at_s=None)

    def elsewhere(self) -> Record:
        """The same where the way to the server is another: who is on it is not known."""
        unknown = Record(self.sizes)
        return replace(
            self,
            server=unknown.server,
            next_hop=unknown.next_hop,
            objections=unknown.objections,
            trace=unknown.trace,
        )

    def _sizes(self, found: Round) -> Sizes:
        """A large packet is only lost where a small one is not."""
        return self.sizes.after(found.size) if found.size is not None and found.far_end else self.sizes

    def _losses(self, found: Round) -> tuple[bool, ...]:
        """Nobody limits what is dead, nor a far end that never answers, nor what the uplink loses."""
        if self.life.is_silent or (not found.server and found.server is not None):
            return self.losses
        lost = found.beyond is False or not (found.far_end or self.far_end.is_silent)
        return (*self.losses, lost)[-RECENT:]

    def is_size_due(self, now_s: float) -> bool:
        """Whether a packet of some size is to be tried."""
        if not self.life.alive or self.far_end.misses:
            return False
        return self.sizes.is_in_doubt or self.sized_at_s is None or now_s - self.sized_at_s >= FULL_EVERY_S

    @property
    def is_beyond_due(self) -> bool:
        """Whether somebody beyond is to be asked: not in each round where the far end answers. They are strangers."""
        is_well = self.life.alive and not self.life.misses and self.far_end.alive and not self.far_end.misses
        return not is_well or self.unasked + 1 >= BEYOND_EVERY

    @property
    def is_trace_due(self) -> bool:
        """Whether it is to be looked how far packets get."""
        misses = self.life.misses
        return misses in TRACED_AFTER or (misses >= MISSES and misses % TRACED_EVERY == 0)

    @property
    def carries(self) -> bool:
        """Whether networks may be offered IPv6: not where even the packets vanish that every link must carry."""
        is_wide = self.sizes.largest is None or self.sizes.largest >= IPV6_MIN_MTU
        return bool(self.life.alive) and is_wide

    @property
    def is_known(self) -> bool:
        """Whether it has been asked for long enough to tell."""
        return self.life.alive is not None or self.life.is_silent

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next round shall follow at once."""
        return self.life.is_in_doubt or (bool(self.life.alive) and self.sizes.is_in_doubt)

    def evidence(self, asked: Question) -> Evidence:
        """What all of that says."""
        enough = len(self.losses) >= RECENT // 2
        return Evidence(
            address=asked.local,
            has_route=asked.has_route,
            has_tunnel=asked.has_tunnel,
            server_address=asked.server,
            next_hop=self.next_hop.known,
            server=self.server.known,
            far_end=self.far_end.answers,
            beyond=self.life.answers,
            full=self.sizes.full,
            largest=self.sizes.largest,
            lost=sum(self.losses) / len(self.losses) if enough else 0.0,
            objections=self.objections,
            trace=self.trace,
            carried_from=self.carried_from,
            recovering=self.life.is_recovering,
            is_providers=asked.is_providers,
            section=asked.section,
        )
