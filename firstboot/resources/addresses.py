"""Addresses on the interfaces that are ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action, AddAddress, RemoveAddress
from firstboot.facts import OURS, Address, Facts, Interface, address_key
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.sharing import SERVING, segments_in
from firstboot.sources import Source
from firstboot.topology import deprecated, is_static, leading, subnets


@dataclass(frozen=True)
class Assigned:
    """An address on an interface, as `Address` has it."""

    interface: str
    address: Interface
    tentative: bool = False
    duplicate: bool = False
    deprecated: bool = False

    @property
    def key(self) -> str:
        """Address and interface."""
        return address_key(self.address, self.interface)


class Addresses(Kind[Assigned]):
    """Addresses, owned by their protocol number."""

    name = "addresses"
    title = "IP addresses"
    setting = "lan"
    takes_leave = True
    table = Source.ADDRESSES
    settles = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Assigned]:
        """The static uplink's, the tunnel's, and the Pi's own in the networks that it serves."""
        return (*_desired(appliance, facts), *_on_cable(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Assigned]) -> Sequence[Assigned]:
        """All that are ours, and the wanted ones whoever put them there."""
        keys = {spec.key for spec in wanted}
        found = [
            (Assigned(a.interface, a.address, a.tentative, a.duplicate, a.deprecated), a.protocol)
            for a in machine.facts().addresses
        ]
        return [spec for spec, protocol in found if protocol == OURS or spec.key in keys]

    def actions(self, change: Change[Assigned]) -> Sequence[Action]:
        """Add or remove. A duplicate is added anew, at growing intervals: the other machine may have gone."""
        want, have = change.want, change.have
        new = Address(want.interface, want.address, OURS, deprecated=want.deprecated) if want else None
        if new and want and have and want.deprecated != have.deprecated and not have.duplicate:
            return [AddAddress(new, replaces=True)]
        add = [AddAddress(new)] if new else []
        remove = [RemoveAddress(Address(have.interface, have.address))] if have else []
        if want and have and not have.duplicate:
            return []  # tentative: the kernel tells when it knows
        return [*remove, *add]

    def footing(self, spec: Assigned, facts: Facts) -> object:
        """Its interface: the tunnel's is made anew with each new address of the uplink."""
        return facts.footing_on(spec.interface)

    def explain(self, change: Change[Assigned]) -> ApplianceError | None:
        """A duplicate is for a person to put right; a tentative address for the kernel."""
        if change.have is None:
            return None
        if change.have.duplicate:
            return TemporaryError(
                f"another machine on {change.have.interface} has the address {change.have.address.ip}",
                hint="take it away from that machine, or choose another one in appliance.yaml",
            )
        if change.have.tentative:
            return TemporaryError(f"whether {change.have.address.ip} is nobody else's is being found out")
        return None


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Assigned]:
    uplink = appliance.uplink
    if uplink is not None and uplink.address is not None and is_static(uplink):
        yield Assigned(uplink.interface, uplink.address)
    for tunnel in appliance.known_tunnels:
        # Of a tunnel that is not used now the Pi itself chooses no address, either.
        yield Assigned(tunnel.interface, tunnel.address, deprecated=tunnel != leading(appliance, facts))
    for network in subnets(appliance, facts):
        if network.lan.address is not None:
            yield Assigned(network.interface, network.lan.address)
        others = deprecated(network.ipv6, appliance, facts)
        yield from (Assigned(network.interface, own, deprecated=own in others) for own in network.ipv6)


def _on_cable(appliance: Appliance, facts: Facts) -> Iterator[Assigned]:
    """The Pi's own on the cable, once the interface is there; where the laptop is the server, it gives one."""
    for segment in segments_in(appliance, facts, *SERVING):
        if segment.interface in facts.links:
            others = deprecated(segment.addresses, appliance, facts)
            yield from (Assigned(segment.interface, own, deprecated=own in others) for own in segment.addresses)
