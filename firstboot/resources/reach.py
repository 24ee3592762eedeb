"""Whether the tunnel carries anything, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.health.diagnosis import HEALTHY, Diagnosis, Fault
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import known_address
from firstboot.tunnels.forms import form_of


@dataclass(frozen=True)
class FarEnd:
    """The other end of the tunnel, and in a word how it is reached: by its address in the tunnel, if it has one."""

    address: IPv4Address | IPv6Address
    health: Fault
    diagnosis: Diagnosis = field(default=HEALTHY, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The address."""
        return f"tunnel's other end {self.address}"


class Reach(Kind[FarEnd]):
    """The tunnel's other end, and what is beyond it. What the prober finds wakes the daemon.

    It needs no other kind: that there is no uplink, or no tunnel, is found as well.
    """

    name = "reach"
    setting = "tunnel"
    wakes_when_right = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[FarEnd]:
        """Healthy."""
        tunnel, uplink = appliance.known_tunnel, appliance.uplink
        if tunnel is None:
            return ()
        own = known_address(uplink, facts) if uplink is not None else None
        far_end = form_of(tunnel).far_end(tunnel, own.ip if own is not None else None, facts)
        return (FarEnd(far_end or tunnel.server, HEALTHY.fault),)

    def observe(self, machine: Machine, wanted: Sequence[FarEnd]) -> Sequence[FarEnd]:
        """What was found of it. What works all the same is told beside (`status`)."""
        found = machine.facts().health.diagnosis
        return [FarEnd(end.address, HEALTHY.fault if found.works else found.fault, found) for end in wanted]

    def actions(self, change: Change[FarEnd]) -> Sequence[Action]:
        """Nothing that could be done here."""
        return []

    def explain(self, change: Change[FarEnd]) -> ApplianceError | None:
        """What is wrong, and what the person could look at."""
        if change.have is None:
            return None
        return TemporaryError(change.have.diagnosis.sentence, hint=change.have.diagnosis.hint)
