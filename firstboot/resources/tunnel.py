"""The tunnel's interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from appliance.model import Appliance
from firstboot.actions import Action, AddTunnel, RemoveLink, SetLink
from firstboot.facts import OURS, Facts, Link
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import address_of, tunnel_mtu, uplink_of
from firstboot.tunnels.form import Sit
from firstboot.tunnels.forms import form_of


class Tunnel(Kind[Sit]):
    """The tunnels' interfaces, owned by their link group."""

    name = "tunnel"
    title = "the tunnel's interface"
    needs = ("firewall",)
    setting = "tunnel"
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Sit]:
        """Each tunnel, from the uplink's present address: behind NAT that is the private one."""
        if not appliance.known_tunnels:
            return ()
        local = address_of(uplink_of(appliance), facts).ip
        return tuple(
            form_of(tunnel).link(tunnel, local, tunnel_mtu(appliance, facts, tunnel.rank), facts)
            for tunnel in appliance.known_tunnels
        )

    def observe(self, machine: Machine, wanted: Sequence[Sit]) -> Sequence[Sit]:
        """Every sit interface that is ours, and whatever else stands in the way with the wanted name."""
        names = {sit.interface for sit in wanted}
        return [
            _observed(link)
            for link in machine.facts().links.values()
            if link.kind == "sit" and (link.group == OURS or link.name in names)
        ]

    def actions(self, change: Change[Sit]) -> Sequence[Action]:
        """Make it anew when its ends changed; the kernel keeps addresses and routes of a mere MTU change."""
        want, have = change.want, change.have
        if want is None:
            return [RemoveLink(change.key)]
        if have is not None and {name for name, *_ in change.differences()} <= {"mtu", "up"}:
            return [SetLink(want.interface, want.mtu)]
        if want.local is None:
            return []
        make = AddTunnel(want.interface, want.local, want.remote, want.ttl, want.mtu, want.prefix, want.customers)
        return [RemoveLink(want.interface), make] if have is not None else [make]


def _observed(link: Link) -> Sit:
    found = Sit(link.name, link.local, link.remote, link.mtu, link.ttl, link.up, link.group)
    # With an end, the kernel asks nothing of addresses, but it has a prefix for every tunnel (that of 6to4).
    return found if link.remote is not None else replace(found, prefix=link.prefix, customers=link.customers)
