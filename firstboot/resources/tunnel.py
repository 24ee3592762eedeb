"""The 6in4 tunnel's interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from appliance.model import Appliance
from firstboot.actions import Action, AddTunnel, RemoveLink, SetLink
from firstboot.facts import OURS, Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import address_of, tunnel_mtu, uplink_of

TTL = 255
"""Otherwise the inner hop limit is copied, and a traceroute through the tunnel ends in it."""


@dataclass(frozen=True)
class Sit:
    """A 6in4 tunnel: IPv6 in IPv4 protocol 41 from `local` to `remote` (RFC 4213). `mtu` in bytes."""

    interface: str
    local: IPv4Address | None
    remote: IPv4Address | None
    mtu: int
    ttl: int = TTL
    up: bool = True
    group: int = OURS

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class Tunnel(Kind[Sit]):
    """The tunnel's interface, owned by its link group."""

    name = "tunnel"
    needs = ("firewall",)
    setting = "tunnel"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Sit]:
        """The tunnel, from the uplink's present address: behind NAT that is the private one."""
        tunnel = appliance.known_tunnel
        if tunnel is None:
            return ()
        local = address_of(uplink_of(appliance), facts).ip
        return (Sit(tunnel.interface, local, tunnel.server, tunnel_mtu(appliance, facts)),)

    def observe(self, machine: Machine, wanted: Sequence[Sit]) -> Sequence[Sit]:
        """Every sit interface that is ours, and whatever else stands in the way with the wanted name."""
        names = {sit.interface for sit in wanted}
        return [
            Sit(link.name, link.local, link.remote, link.mtu, link.ttl, link.up, link.group)
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
        if want.local is None or want.remote is None:
            return []
        make = AddTunnel(want.interface, want.local, want.remote, want.ttl, want.mtu)
        return [RemoveLink(want.interface), make] if have is not None else [make]
