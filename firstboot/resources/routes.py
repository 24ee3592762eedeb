"""Routes: the static uplink's default, the way to the tunnel server, IPv6 through the tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from appliance.model import Appliance
from firstboot.actions import Action, RemoveRoute, SetRoute
from firstboot.facts import MAIN_TABLE, OURS, Facts, Gateway, Network, Route
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.topology import gateway_of, is_static, uplink_of

METRIC = 100
"""Of our IPv4 routes: NetworkManager's for a wire, so that ours neither hides its own nor is hidden."""

METRIC_IPV6 = 1024
"""The kernel's own for an IPv6 route without one (IP6_RT_PRIO_USER)."""


@dataclass(frozen=True)
class Reach:
    """A destination by way of a router or an interface."""

    destination: Network
    interface: str
    gateway: Gateway | None
    metric: int
    table: int = MAIN_TABLE

    @property
    def key(self) -> str:
        """Destination and metric: two routes that share them cannot both be."""
        return f"{self.destination} metric {self.metric}"


class Routes:
    """Routes, owned by their protocol number."""

    name = "routes"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Reach]:
        """All routes; `TemporaryError` while a DHCP uplink has no router."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Reach]) -> Sequence[Reach]:
        """Every route that is ours."""
        return [
            Reach(route.destination, route.interface, route.gateway, route.metric, route.table)
            for route in machine.facts().routes
            if route.protocol == OURS
        ]

    def actions(self, change: Change[Reach]) -> Sequence[Action]:
        """Set or remove."""
        if change.want is not None:
            return [SetRoute(_route(change.want))]
        return [RemoveRoute(_route(change.have))] if change.have is not None else []


def _route(reach: Reach) -> Route:
    return Route(reach.destination, reach.interface, reach.gateway, reach.metric, reach.table, OURS)


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Reach]:
    uplink = appliance.uplink
    if uplink is not None and uplink.gateway is not None and is_static(uplink):
        yield Reach(IPv4Network("0.0.0.0/0"), uplink.interface, uplink.gateway, METRIC)
    if appliance.tunnel is not None:
        yield Reach(IPv6Network("::/0"), appliance.tunnel.interface, None, METRIC_IPV6)
        # Once a default route leads elsewhere (a VPN, a second uplink), the tunnel's own packets must not follow it.
        server, uplink = IPv4Network(appliance.tunnel.server), uplink_of(appliance)
        yield Reach(server, uplink.interface, gateway_of(uplink, facts), METRIC)
