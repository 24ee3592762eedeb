"""What is to be asked about the tunnel: from the configuration and the facts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from appliance.model import Appliance, TunnelForm
from firstboot.facts import Facts
from firstboot.topology import full_mtu, known_address
from firstboot.tunnels.forms import form_of


@dataclass(frozen=True)
class Question:
    """Whether a tunnel carries.

    `interface`, `own`, `far_end`: the tunnel's, and the two ends of it in IPv6 (None: the other one has no address that
    is known); `local`, `server`: the same in IPv4 (None: the uplink has no address); `uplink`, `router`: the way to the
    server (None: it needs no router, or there is none); `full`: the largest packet, in bytes, that shall pass;
    `is_providers`: the server is the provider's own; `section`: that of the file which the tunnel is from.
    """

    interface: str
    own: IPv6Address
    far_end: IPv6Address | None
    local: IPv4Address | None
    server: IPv4Address
    uplink: str
    router: IPv4Address | None
    has_route: bool
    has_tunnel: bool
    full: int
    is_providers: bool = False
    section: str = "tunnel"

    def is_about_the_same(self, other: Question) -> bool:
        """Whether it is the same tunnel, perhaps by another way."""
        return (self.server, self.own, self.far_end) == (other.server, other.own, other.far_end)


def question(appliance: Appliance, facts: Facts, rank: int) -> Question | None:
    """About the tunnel of that rank, where there is to be one."""
    tunnel, uplink = next((each for each in appliance.known_tunnels if each.rank == rank), None), appliance.uplink
    if tunnel is None or uplink is None:
        return None
    own = known_address(uplink, facts)
    ways = facts.default_routes_on(uplink.interface, 4)
    router = next((way.gateway for way in ways if isinstance(way.gateway, IPv4Address)), None)
    return Question(
        interface=tunnel.interface,
        own=tunnel.address.ip,
        far_end=form_of(tunnel).far_end(tunnel, own.ip if own is not None else None, facts),
        local=own.ip if own is not None else None,
        server=tunnel.server,
        uplink=uplink.interface,
        router=router,
        has_route=bool(ways) or (own is not None and tunnel.server in own.network),
        has_tunnel=tunnel.interface in facts.links,
        full=full_mtu(appliance, rank),
        is_providers=tunnel.kind is TunnelForm.SIX_RD,
        section=tunnel.path,
    )
