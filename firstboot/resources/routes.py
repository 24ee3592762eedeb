"""Routes: the static uplink's default, the way to the tunnel server, IPv6 through the tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from appliance.addresses import SUBNET_PREFIXLEN, Network
from appliance.model import Appliance, KnownTunnel
from firstboot.actions import Action, RemoveRoute, SetRoute
from firstboot.cable import segments
from firstboot.facts import MAIN_TABLE, OURS, Facts, Gateway, Route, route_key
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.sources import Source
from firstboot.topology import is_static, leading
from firstboot.tunnels.forms import form_of

METRIC = 97
"""Of our IPv4 routes: a number of our own, as a route of the same destination and metric would be replaced."""

METRIC_IPV6 = 512
"""Of our IPv6 routes: better than what a router advertisement brings (1024), and again not the same. Of a fallback
tunnel's, one more.
"""


@dataclass(frozen=True)
class Reach:
    """A destination by way of a router or an interface; for packets from `source` alone, if there is one.

    Without an interface it is unreachable.
    """

    destination: Network
    interface: str
    gateway: Gateway | None
    metric: int
    table: int = MAIN_TABLE
    source: Network | None = None

    @property
    def key(self) -> str:
        """Destination, source, metric and table."""
        return route_key(self.destination, self.metric, self.table, self.source)


class Routes(Kind[Reach]):
    """Routes of the main table, owned by their protocol number."""

    name = "routes"
    title = "the ways to other networks"
    setting = "uplink"
    takes_leave = True
    table = Source.ROUTES

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Reach]:
        """All routes; the one to the tunnel server once the uplink's router is known."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Reach]) -> Sequence[Reach]:
        """Every one that is ours."""
        return [reach for reach in ours(machine.facts()) if reach.table == MAIN_TABLE]

    def actions(self, change: Change[Reach]) -> Sequence[Action]:
        """Set or remove."""
        return actions(change)

    def footing(self, spec: Reach, facts: Facts) -> object:
        """The kernel takes out what leads to a router that no address is on the same network as."""
        return facts.footing_on(spec.interface, spec.destination.version)


def ours(facts: Facts) -> Sequence[Reach]:
    """Every route that is ours, of any table."""
    return [
        Reach(route.destination, route.interface, route.gateway, route.metric, route.table, route.source)
        for route in facts.routes
        if is_ours(route)
    ]


def is_ours(route: Route) -> bool:
    """Whether the daemon made it: its default routes are all through one interface, whatever mark another one has."""
    return route.protocol == OURS and (route.interface != "" or route.destination.prefixlen > 0)


def actions(change: Change[Reach]) -> Sequence[Action]:
    """Set or remove; only one of ours is replaced."""
    if change.want is not None:
        return [SetRoute(_route(change.want), replaces=change.have is not None)]
    return [RemoveRoute(_route(change.have))] if change.have is not None else []


def _route(reach: Reach) -> Route:
    return Route(reach.destination, reach.interface, reach.gateway, reach.metric, reach.table, OURS, reach.source)


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Reach]:
    uplink = appliance.uplink
    if uplink is None:
        return
    gateway = uplink.gateway or facts.ipv4_gateway_on(uplink.interface)
    if gateway is not None and is_static(uplink):
        yield Reach(IPv4Network("0.0.0.0/0"), uplink.interface, gateway, METRIC)
    for tunnel in appliance.known_tunnels:
        if tunnel.routed.prefixlen < SUBNET_PREFIXLEN:
            # What no network has would go back to the broker, and come from there again.
            yield Reach(tunnel.routed, "", None, METRIC_IPV6)
        relay = form_of(tunnel).gateway(tunnel)
        for source in _through_tunnel(appliance, tunnel, facts):
            yield Reach(IPv6Network("::/0"), tunnel.interface, relay, METRIC_IPV6 + tunnel.rank, source=source)
        if gateway is not None:
            # Once a default route leads elsewhere (a VPN, a second uplink), the tunnel's own packets must not follow.
            yield Reach(IPv4Network(tunnel.server), uplink.interface, gateway, METRIC)


def _through_tunnel(appliance: Appliance, tunnel: KnownTunnel, facts: Facts) -> Iterator[IPv6Network]:
    """Whose packets the broker passes on, and those of the cable that leave with the tunnel's address (NAT66).

    It drops all others. What has an address of another provider, or of another tunnel, is left to that one's route.
    """
    yield tunnel.address.network
    yield tunnel.routed
    for segment in segments(appliance, facts) if tunnel == leading(appliance, facts) else ():
        yield segment.ipv6.network
