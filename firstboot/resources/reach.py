"""Whether the tunnel carries anything, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import TUNNEL_PATHS, Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.health.diagnosis import HEALTHY, Diagnosis, Fault
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import known_address
from firstboot.tunnels.forms import form_of


@dataclass(frozen=True)
class FarEnd:
    """The other end of a tunnel, and in a word how it is reached: by its address in the tunnel, if it has one.

    `rank`: the tunnel's.
    """

    address: IPv4Address | IPv6Address
    health: Fault
    rank: int = 0
    diagnosis: Diagnosis = field(default=HEALTHY, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The address."""
        return f"tunnel's other end {self.address}"


class Reach(Kind[FarEnd]):
    """The tunnels' other ends, and what is beyond them. What the prober finds wakes the daemon.

    It needs no other kind: that there is no uplink, or no tunnel, is found as well.
    """

    name = "reach"
    title = "whether the tunnel carries"
    setting = "tunnel"
    wakes_when_right = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[FarEnd]:
        """Each healthy: a fallback that does not carry is none."""
        own = known_address(appliance.uplink, facts) if appliance.uplink is not None else None
        local = own.ip if own is not None else None
        far_ends = ((tunnel, form_of(tunnel).far_end(tunnel, local, facts)) for tunnel in appliance.known_tunnels)
        return tuple(FarEnd(far_end or tunnel.server, HEALTHY.fault, tunnel.rank) for tunnel, far_end in far_ends)

    def observe(self, machine: Machine, wanted: Sequence[FarEnd]) -> Sequence[FarEnd]:
        """What was found of them. What works all the same is told beside (`status`)."""
        facts = machine.facts()
        found = ((end, facts.health_of(end.rank).diagnosis) for end in wanted)
        return [FarEnd(end.address, HEALTHY.fault if it.works else it.fault, end.rank, it) for end, it in found]

    def actions(self, change: Change[FarEnd]) -> Sequence[Action]:
        """Nothing that could be done here."""
        return []

    def explain(self, change: Change[FarEnd]) -> ApplianceError | None:
        """What is wrong, and what the person could look at."""
        if change.have is None:
            return None
        found, rank = change.have.diagnosis, change.have.rank
        whose = "of the fallback: " if rank else ""
        said = f"{whose}{found.sentence}"
        return TemporaryError(said, hint=found.hint, setting=TUNNEL_PATHS[rank], grounds=found.grounds)
