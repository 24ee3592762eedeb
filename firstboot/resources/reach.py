"""Whether the tunnel carries anything: its other end answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change


@dataclass(frozen=True)
class FarEnd:
    """The broker's end of the tunnel, and whether it answers."""

    address: IPv6Address
    answers: bool = True

    @property
    def key(self) -> str:
        """The address."""
        return f"tunnel's other end {self.address}"


class Reach(Kind[FarEnd]):
    """The tunnel's other end. There is nothing to do about it but to say so."""

    name = "reach"
    needs = ("tunnel", "addresses", "routes")
    setting = "tunnel"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[FarEnd]:
        """The broker has the first address of the tunnel's network, the client the second."""
        return (FarEnd(appliance.tunnel.address.network[1]),) if appliance.tunnel is not None else ()

    def observe(self, machine: Machine, wanted: Sequence[FarEnd]) -> Sequence[FarEnd]:
        """Ask it."""
        return [FarEnd(end.address, machine.answers(end.address)) for end in wanted]

    def actions(self, change: Change[FarEnd]) -> Sequence[Action]:
        """Nothing that the daemon could do."""
        return []

    def explain(self, change: Change[FarEnd]) -> ApplianceError | None:
        """What the person could look at."""
        return TemporaryError(
            "the tunnel's other end does not answer",
            hint="does the router pass protocol 41 to this Pi, and does the broker have your present public IPv4 "
            "address? Behind carrier-grade NAT (100.64.0.0/10) a tunnel cannot work",
        )
