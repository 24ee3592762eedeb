"""What the machine is like right now, as far as the kinds of resource need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from appliance.addresses import Network
from appliance.he import BrokerTunnel
from firstboot.health.diagnosis import Health
from firstboot.tunnels.told import Told

Interface = IPv4Interface | IPv6Interface
Gateway = IPv4Address | IPv6Address

OURS = 97
"""Marks what the daemon made: the route protocol, the address protocol and the link group.

Linux leaves 97 unassigned in all three (include/uapi/linux/rtnetlink.h, iproute2's rt_protos).
"""

MAIN_TABLE = 254


@dataclass(frozen=True)
class Link:
    """A network interface. `kind` is the kernel's ("" for hardware), `mtu` in bytes."""

    name: str
    kind: str = ""
    up: bool = False
    carrier: bool = False
    mtu: int = 1500
    group: int = 0
    mac: str = ""
    local: IPv4Address | None = None
    remote: IPv4Address | None = None
    ttl: int = 0
    prefix: IPv6Network | None = None
    """Of a tunnel: the prefix in whose addresses is to whom a packet goes, one of `customers` (RFC 5969)."""
    customers: IPv4Network | None = None
    master: str = ""
    """The bridge that it is a port of; "" for none."""
    index: int = 0
    """The kernel's number for it, by which one of the same name that was made anew is known to be another."""
    driver: str = ""
    """Its driver's name, as `ethtool -i` tells it; "" for none."""


@dataclass(frozen=True)
class Address:
    """An address on an interface; `protocol` tells who put it there (`OURS`: the daemon)."""

    interface: str
    address: Interface
    protocol: int = 0
    tentative: bool = False
    """Not yet known to be nobody else's (RFC 4862, 5.4)."""
    duplicate: bool = False
    """Another machine on the link has it too."""
    deprecated: bool = False
    """Not to be chosen for anything new (RFC 4862, 5.5.4)."""


@dataclass(frozen=True)
class Route:
    """A route.

    `interface`: "" for a default route that does not lead through one alone: it has several next hops, or leads nowhere
    on purpose (blackhole, unreachable, prohibit, throw), or to this machine itself (local).
    Ours through none is unreachable. `source`: it is for packets from there alone (IPv6); None: for all.
    """

    destination: Network
    interface: str
    gateway: Gateway | None = None
    metric: int = 0
    table: int = MAIN_TABLE
    protocol: int = 0
    source: Network | None = None

    @property
    def is_default(self) -> bool:
        """Whether it is for all that no other route is for."""
        return self.destination.prefixlen == 0


@dataclass(frozen=True)
class Rule:
    """A rule by which the kernel chooses a route table (`ip rule`), of a family (4 or 6).

    `interface`: the one that it asks for (`oif`, else `iif`); "" for any.
    """

    family: int
    table: int
    priority: int = 0
    source: Network | None = None
    interface: str = ""
    protocol: int = 0


def address_key(address: Interface, interface: str) -> str:
    """What identifies an address, for whoever puts it there and for whoever takes it away."""
    return f"{address} on {interface}"


def route_key(destination: Network, metric: int, table: int, source: Network | None = None) -> str:
    """What identifies a route: two that share all of these cannot both be."""
    whose = "" if source is None else f" from {source}"
    where = "" if table == MAIN_TABLE else f" in table {table}"
    return f"{destination}{whose} metric {metric}{where}"


@dataclass(frozen=True)
class ChangedSetting:
    """A kernel setting, named with slashes, that was `before` until the daemon wrote `ours`.

    `index`: that of the interface which it is about; 0 for none.
    """

    name: str
    before: str
    ours: str
    index: int = 0


@dataclass(frozen=True)
class FormerFile:
    """What a file of somebody else's was before the daemon wrote it for the first time.

    `content` None: there was none. `link`: what it led to, if it was a symbolic link.
    """

    path: Path
    content: bytes | None = field(default=None, repr=False)
    mode: int = 0o644
    link: str = ""


@dataclass(frozen=True)
class Carrier:
    """An interface that carries a network, by its name and hardware address."""

    interface: str
    mac: str


@dataclass(frozen=True)
class Facts:
    """One look at the machine's network."""

    links: Mapping[str, Link] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    """Those of global scope."""
    link_local: Mapping[str, tuple[IPv6Address, ...]] = field(default_factory=dict)
    """By interface: its IPv6 addresses of link scope, whoever put them there."""
    routes: tuple[Route, ...] = ()
    """Of the main table ours and everybody's default routes; of the others all."""
    rules: tuple[Rule, ...] = ()
    serial: str = ""
    """The Pi's serial number, from which it derives what must not be the same on two of them."""
    gadget_ports: Mapping[str, str] = field(default_factory=dict)
    """The interfaces of the bound USB gadget's network functions, by function (`ecm`, …), in the order of binding."""
    neighbours: Mapping[tuple[str, Gateway], bool] = field(default_factory=dict)
    """By interface and address: whether a host on that link answers; of those that are asked, once it is known."""
    broker_tunnels: tuple[BrokerTunnel | None, ...] = ()
    """By the tunnels' ranks: what the broker has said of each, as it is remembered."""
    healths: tuple[Health, ...] = ()
    """By the tunnels' ranks; as long as it is not known of one, it carries nothing."""
    six_rd: Told | None = None
    """What the provider tells of 6rd; None: it is not asked, or has not answered yet."""
    networkmanager: bool = False
    """NetworkManager runs, so an interface is either its or ours."""
    managers: tuple[str, ...] = ()
    """The programs that configure this machine's uplinks, the one that is in charge first."""
    interfaces_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By path: what others wrote for ifupdown (interfaces(5)); it may hold secrets."""
    carrying: Mapping[str, Carrier] = field(default_factory=dict)
    """By network: the interface that carried it when that was looked at last."""
    lost_routes: Mapping[str, bool] = field(default_factory=dict)
    """The interfaces whose IPv4 default route is gone while their address stayed; True: for seconds now, so somebody
    has taken it away.
    """
    changed_settings: tuple[ChangedSetting, ...] = field(default=(), repr=False)
    """The kernel settings that the daemon has changed and not put back, the last one last."""
    former_files: tuple[FormerFile, ...] = field(default=(), repr=False)
    """What is to be put back on a machine that is its owner's, once no profile is in force that takes it over."""
    hosts: Mapping[str, tuple[Gateway, ...]] = field(default_factory=dict)
    """By name: the addresses of the machines on the networks that are served, of those with a name by DHCP."""
    other_rules: Mapping[int, str] = field(default_factory=dict)
    """By family: the rules that ufw loads beside ours, its own (`after.rules`) and the user's (`user.rules`)."""

    def health_of(self, rank: int) -> Health:
        """That of the tunnel of that rank."""
        return self.healths[rank] if rank < len(self.healths) else Health()

    def ipv4_on(self, interface: str) -> IPv4Interface | None:
        """The first global IPv4 address of an interface that somebody else gave it (DHCP)."""
        for address in self.addresses:
            if (
                address.interface == interface
                and address.protocol != OURS
                and isinstance(address.address, IPv4Interface)
            ):
                return address.address
        return None

    def ipv4_gateway_on(self, interface: str) -> IPv4Address | None:
        """The router that the interface's best IPv4 default route in the main table leads to."""
        others = (route.gateway for route in self.default_routes_on(interface, 4) if route.protocol != OURS)
        return next((gateway for gateway in others if isinstance(gateway, IPv4Address)), None)

    def default_routes_on(self, interface: str, family: int) -> Sequence[Route]:
        """The main table's default routes of a family (4 or 6) through an interface, the best first."""
        found = (
            route
            for route in self.routes
            if route.interface == interface
            and route.table == MAIN_TABLE
            and route.is_default
            and route.destination.version == family
        )
        return sorted(found, key=lambda route: route.metric)

    def footing_on(self, interface: str, family: int | None = None) -> object:
        """What is on an interface is kept on, so that it goes when this becomes another.

        The interface itself, which may be made anew under its name, and for a route its addresses of that family.
        """
        index = self.links[interface].index if interface in self.links else 0
        on_it = (found.address for found in self.addresses if found.interface == interface)
        return index, frozenset(address for address in on_it if address.version == family)

    def has_carrier(self, interface: str) -> bool:
        """Whether the interface is there and somebody is at its other end."""
        return interface in self.links and self.links[interface].carrier
