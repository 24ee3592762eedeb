"""Addresses on the interfaces that are ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, AddAddress, RemoveAddress
from firstboot.facts import OURS, Address, Facts, Interface
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.topology import is_static, own_address_in


@dataclass(frozen=True)
class Assigned:
    """An address on an interface. `duplicate`: another machine on the link has it too (RFC 4862, 5.4)."""

    interface: str
    address: Interface
    duplicate: bool = False

    @property
    def key(self) -> str:
        """Address and interface."""
        return f"{self.address} on {self.interface}"


class Addresses:
    """Addresses, owned by their protocol number."""

    name = "addresses"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Assigned]:
        """The static uplink's, the tunnel's, and the Pi's own in the networks that it serves."""
        return tuple(_desired(appliance))

    def observe(self, machine: Machine, wanted: Sequence[Assigned]) -> Sequence[Assigned]:
        """All that are ours, and the wanted ones whoever put them there."""
        keys = {spec.key for spec in wanted}
        found = [(Assigned(a.interface, a.address, a.duplicate), a.protocol) for a in machine.facts().addresses]
        return [spec for spec, protocol in found if protocol == OURS or spec.key in keys]

    def actions(self, change: Change[Assigned]) -> Sequence[Action]:
        """Add or remove; a duplicate is tried once more, the other machine may have gone."""
        add = [AddAddress(Address(change.want.interface, change.want.address, OURS))] if change.want else []
        remove = [RemoveAddress(Address(change.have.interface, change.have.address))] if change.have else []
        return [*remove, *add]


def _desired(appliance: Appliance) -> Iterator[Assigned]:
    uplink, tunnel, lan = appliance.uplink, appliance.tunnel, appliance.lan
    if uplink is not None and uplink.address is not None and is_static(uplink):
        yield Assigned(uplink.interface, uplink.address)
    if lan is not None and lan.address is not None:
        yield Assigned(lan.interface, lan.address)
    if tunnel is not None:
        yield Assigned(tunnel.interface, tunnel.address)
        if lan is not None:
            yield Assigned(lan.interface, own_address_in(tunnel.routed))
