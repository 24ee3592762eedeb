# ruff: noqa: RUF009 - setting() and its like are wrappers of dataclasses.field
"""The model of `appliance.yaml`: frozen, typed, with each setting's meaning beside it.

The parser, the JSON Schema and the documentation are derived from these classes: a setting that
is not in here does not exist. Times are in seconds, sizes in bytes. What involves more than one
setting at a time is checked in `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from appliance import scalars as scalar
from appliance.firewall import Firewall
from appliance.ranges import AddressRange, TableRange
from appliance.settings import mapping, section, sections, setting, unwritten, values


class Profile(StrEnum):
    """What the appliance is."""

    GATEWAY = "gateway"
    GADGET = "gadget"
    CUSTOM = "custom"


class Share(StrEnum):
    """Who gives whom the Internet over the USB cable."""

    ROUTE = "route"
    LOCAL = "local"
    HOST = "host"
    AUTO = "auto"


class Function(StrEnum):
    """A USB function that the gadget offers."""

    ECM = "ecm"
    RNDIS = "rndis"
    NCM = "ncm"
    ACM = "acm"


class Interfaces(StrEnum):
    """How the network functions of the gadget lie to each other."""

    BRIDGED = "bridged"
    SEPARATE = "separate"


class TunnelForm(StrEnum):
    """How IPv6 crosses a network of IPv4."""

    SIX_IN_FOUR = "6in4"
    SIX_RD = "6rd"


class LedUse(StrEnum):
    """What the Pi's LED is for."""

    STATUS = "status"
    SYSTEM = "system"
    OFF = "off"


class NetworkConfigurator(StrEnum):
    """The program that configures a machine's uplinks."""

    AUTO = "auto"
    NETWORKMANAGER = "networkmanager"
    NETPLAN = "netplan"
    NETWORKD = "networkd"
    IFUPDOWN = "ifupdown"


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Who may log in over ssh. Passwords are never accepted."""

    authorized_keys: tuple[str, ...] = values(scalar.SSH_PUBLIC_KEY, "public keys that may log in, one a line")


@dataclass(frozen=True, kw_only=True)
class WifiNetwork:
    """A wireless network."""

    ssid: str = setting(scalar.SSID, "the network's name")
    passphrase: str | None = setting(scalar.WPA_PASSPHRASE, "its passphrase", default=None, secret=True)
    hidden: bool = setting(scalar.BOOLEAN, "the network does not announce its name", default=False)
    open: bool = setting(scalar.BOOLEAN, "the network has no passphrase, and that is known to be risky", default=False)


@dataclass(frozen=True, kw_only=True)
class Wifi(WifiNetwork):
    """The wireless network to join, and others where that is not there."""

    country: str = setting(scalar.COUNTRY, "where the Pi is: the law decides which channels it may use")
    others: tuple[WifiNetwork, ...] = sections(
        WifiNetwork, "networks to try in this order where the first is not there"
    )

    @property
    def networks(self) -> tuple[WifiNetwork, ...]:
        """All of them, the preferred one first."""
        return (self, *self.others)


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """The way to the Internet. Without an address it is configured by DHCP."""

    interface: str = setting(scalar.INTERFACE, "the network interface")
    address: IPv4Interface | None = setting(
        scalar.IPV4_INTERFACE, "the fixed address with its prefix length; left out: DHCP", default=None
    )
    gateway: IPv4Address | None = setting(scalar.IPV4_ADDRESS, "the router on that network", default=None)
    dns: tuple[IPv4Address | IPv6Address, ...] = values(
        scalar.IP_ADDRESS, "DNS servers to ask", example=("1.1.1.1", "8.8.8.8")
    )
    mtu: int = setting(scalar.MTU, "largest packet in bytes; 1492 behind PPPoE", default=1500)
    wifi: Wifi | None = section(Wifi, "the wireless network to join, where the interface is wireless")


@dataclass(frozen=True, kw_only=True)
class Broker:
    """The account at the tunnel broker, which has to know the tunnel's IPv4 address at your end."""

    user: str = setting(scalar.BROKER_USER, "the account's user name")
    key: str = setting(scalar.UPDATE_KEY, 'the "Update Key" of the page\'s tab "Advanced"', secret=True)
    tunnel: int = setting(scalar.TUNNEL_ID, 'the page\'s "Tunnel ID"')


@dataclass(frozen=True)
class KnownTunnel:
    """A tunnel of which all is known that makes it one. The settings are those of `Tunnel`."""

    server: IPv4Address
    address: IPv6Interface
    routed: IPv6Network
    interface: str
    kind: TunnelForm = TunnelForm.SIX_IN_FOUR
    rank: int = 0
    """Its number among the tunnels, the preferred one's being 0."""

    @property
    def path(self) -> str:
        """Its section of the file."""
        return TUNNEL_PATHS[self.rank]


TUNNEL_PATHS = ("tunnel", "tunnel.fallback")
"""The sections of the tunnels, the preferred one's first."""


@dataclass(frozen=True, kw_only=True)
class AnyTunnel:
    """What is set of each tunnel. `told` names the settings that others have filled in."""

    server: IPv4Address | None = setting(
        scalar.IPV4_ADDRESS, 'the page\'s "Server IPv4 Address"', default=None, example="198.51.100.100"
    )
    address: IPv6Interface | None = setting(
        scalar.IPV6_INTERFACE, 'the page\'s "Client IPv6 Address", with /64', default=None
    )
    routed: IPv6Network | None = setting(
        scalar.IPV6_NETWORK,
        'the page\'s "Routed /64"; its "Routed /48" for several networks, a /64 each',
        default=None,
    )
    kind: TunnelForm = setting(
        scalar.choice(TunnelForm), "whose tunnel it is, and how packets cross it", default=TunnelForm.SIX_IN_FOUR
    )
    interface: str = setting(scalar.INTERFACE, "what to call the tunnel's interface", default="he-ipv6", example="tun6")
    mtu: int | None = setting(
        scalar.TUNNEL_MTU, "largest packet in bytes; left out: the uplink's less 20", default=None
    )
    broker: Broker | None = section(
        Broker, "the broker is told of a new IPv4 address, and asked for what is left out above"
    )
    told: frozenset[str] = unwritten(frozenset())

    @property
    def known(self) -> KnownTunnel | None:
        """The same; None while something of it is not known. What was told is of no use without who told it."""
        is_told = self.broker is not None or self.kind is TunnelForm.SIX_RD
        if self.server is None or self.address is None or self.routed is None or (self.told and not is_told):
            return None
        return KnownTunnel(self.server, self.address, self.routed, self.interface, self.kind)


@dataclass(frozen=True, kw_only=True)
class FallbackTunnel(AnyTunnel):
    """A second tunnel, to another server, with the same settings. Both are up, and whoever has an address of either
    keeps it; while the preferred one does not carry and this one does, the network is to prefer this one's addresses.
    """

    interface: str = setting(
        scalar.INTERFACE, "what to call the tunnel's interface", default="tun6-fallback", example="he-ipv6-2"
    )


@dataclass(frozen=True, kw_only=True)
class Tunnel(AnyTunnel):
    """The tunnel: a 6in4 one in the words of the broker's "IPv6 Tunnel" page, or the provider's own.

    With an account, the broker says what is left out of the first three, and of its own the provider says all of them;
    `told` names those that were filled in so.
    """

    ipv4_only: tuple[str, ...] = values(
        scalar.DOMAIN,
        "domains that refuse tunnels, e.g. of streaming services: their names lead to IPv4 alone",
        example=("netflix.com", "nflxvideo.net"),
    )
    fallback: FallbackTunnel | None = section(
        FallbackTunnel, "a second tunnel, whose addresses the network is to prefer while this one does not carry"
    )


@dataclass(frozen=True, kw_only=True)
class Dhcp4:
    """The DHCP server for IPv4."""

    range: AddressRange = setting(scalar.IPV4_RANGE, "the addresses to give out, FIRST-LAST")
    lease: int = setting(scalar.DURATION, "how long a client may keep one", default=12 * 3600)


@dataclass(frozen=True, kw_only=True)
class LanNetwork:
    """A network that is served."""

    interface: str = setting(scalar.INTERFACE, "its network interface; the uplink's own is allowed", example="eth1")
    address: IPv4Interface | None = setting(
        scalar.IPV4_INTERFACE,
        "the Pi's own address there; left out where the LAN is on the uplink's interface",
        default=None,
        example="192.168.2.1/24",
    )
    domain: str = setting(scalar.DOMAIN, "the domain of the names on it", default="lan")
    dhcp4: Dhcp4 | None = section(Dhcp4, "give out IPv4 addresses; left out: somebody else does")


@dataclass(frozen=True, kw_only=True)
class Lan(LanNetwork):
    """The network that is served, and others beside it."""

    others: tuple[LanNetwork, ...] = sections(
        LanNetwork, "more networks to serve, each on an interface of its own, with the next /64 of tunnel.routed"
    )

    @property
    def networks(self) -> tuple[LanNetwork, ...]:
        """All of them, in the order in which they have a /64 each."""
        return (self, *self.others)


@dataclass(frozen=True, kw_only=True)
class Gadget:
    """The network on the USB cable."""

    network: IPv4Interface | None = setting(
        scalar.GADGET_NETWORK,
        "the Pi's address on the cable, or auto: derived from the Pi's serial number",
        default=None,
    )
    share: Share = setting(scalar.choice(Share), "who gives whom the Internet", default=Share.ROUTE)
    functions: tuple[Function, ...] = values(
        scalar.choice(Function),
        "what the laptop sees",
        default=(Function.ECM, Function.RNDIS),
        example=("ecm", "rndis", "acm"),
    )
    interfaces: Interfaces = setting(
        scalar.choice(Interfaces),
        "bridged: one network, whichever adapter the laptop takes; separate: half of it for each",
        default=Interfaces.BRIDGED,
    )


@dataclass(frozen=True, kw_only=True)
class TablePolicy:
    """What the route tables that an `ip rule` looks up must have."""

    lookup: TableRange = setting(scalar.TABLES, "the tables meant, one or FIRST-LAST")
    ensure: str = setting(scalar.TABLE_ENSURE, "what each must have")


@dataclass(frozen=True, kw_only=True)
class InterfaceSelection:
    """Which network interfaces are meant: those of which all that is said here holds."""

    interface: str | None = setting(
        scalar.INTERFACE_PATTERN, "the interfaces' names; * and ? match as in a shell", default=None
    )
    driver: str | None = setting(scalar.DRIVER_PATTERN, "their drivers' names; * and ? match", default=None)
    mac: str | None = setting(scalar.MAC, "their hardware address", default=None)
    kind: str | None = setting(scalar.KIND, "their kind as the kernel calls it, or hardware", default=None)


@dataclass(frozen=True, kw_only=True)
class SysctlPolicy(InterfaceSelection):
    """Kernel settings of every interface that is meant, whenever it appears."""

    set: Mapping[str, str] = mapping(scalar.SYSCTL, scalar.WORD, "setting: value; {interface} stands for the name")


@dataclass(frozen=True, kw_only=True)
class ChangePolicy(InterfaceSelection):
    """What to do when the set of interfaces that are meant changed."""

    settle: int = setting(scalar.DURATION, "how long nothing more must have changed", default=3, example="10s")
    at_most_every: int = setting(
        scalar.DURATION, "the least time from one action to the next, 1 s or more", default=60, example="5m"
    )
    restart: str | None = setting(scalar.UNIT, "the systemd unit to restart", default=None)
    run: tuple[str, ...] = values(
        scalar.ARGUMENT,
        "the command to run in its place, a word an item; what it prints goes to the journal",
        example=("/usr/local/bin/renew", "--quiet"),
    )


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Policies that fill the gaps that other software leaves."""

    tables: tuple[TablePolicy, ...] = sections(TablePolicy, "route tables")
    sysctl: tuple[SysctlPolicy, ...] = sections(SysctlPolicy, "kernel settings by interface")
    on_interface_change: tuple[ChangePolicy, ...] = sections(ChangePolicy, "reactions to interfaces that come and go")


@dataclass(frozen=True, kw_only=True)
class RankedUplink:
    """One of several uplinks; the lowest metric is preferred."""

    interface: str | None = setting(scalar.INTERFACE, "the network interface", default=None)
    mac: str | None = setting(scalar.MAC, "the interface that has this hardware address", default=None)
    carrying: IPv4Network | None = setting(
        scalar.IPV4_NETWORK, "the interface that has an address of this network, whatever its name", default=None
    )
    dhcp: bool = setting(
        scalar.BOOLEAN,
        "configured by DHCP; false: its address is configured elsewhere, and stays so",
        default=True,
        example="false",
    )
    metric: int = setting(scalar.METRIC, "the metric of its routes")
    optional: bool = setting(scalar.BOOLEAN, "may be missing; booting does not wait for it", default=False)


@dataclass(frozen=True, kw_only=True)
class Appliance:
    """All that `appliance.yaml` says."""

    profile: Profile = setting(scalar.choice(Profile), "what the machine is")
    hostname: str = setting(scalar.HOSTNAME, "its name", default="appliance")
    ssh: Ssh = section(Ssh, "who may log in", default=Ssh())
    led: LedUse = setting(scalar.choice(LedUse), "what the Pi's LED (ACT) shows", default=LedUse.STATUS, example="off")
    status_page: bool = setting(
        scalar.BOOLEAN,
        "show the inside how everything is, at http://<hostname>.local/",
        default=True,
        example="false",
    )
    manager: NetworkConfigurator = setting(
        scalar.choice(NetworkConfigurator), "the program that configures the uplinks", default=NetworkConfigurator.AUTO
    )
    uplink: Uplink | None = section(Uplink, "the way to the Internet")
    uplinks: tuple[RankedUplink, ...] = sections(RankedUplink, "several uplinks, preferred in order (custom)")
    tunnel: Tunnel | None = section(Tunnel, "the tunnel for IPv6: a broker's or the provider's")
    lan: Lan | None = section(Lan, "the network that is served (gateway)")
    gadget: Gadget | None = section(Gadget, "the network on the USB cable (gadget)")
    firewall: Firewall = section(Firewall, "what may pass from where to where", default=Firewall())
    routing: Routing = section(Routing, "routing policies", default=Routing())

    @property
    def tunnels(self) -> tuple[AnyTunnel, ...]:
        """All of them, the preferred one first: each by its rank."""
        if self.tunnel is None:
            return ()
        return (self.tunnel, self.tunnel.fallback) if self.tunnel.fallback is not None else (self.tunnel,)

    @property
    def known_tunnels(self) -> tuple[KnownTunnel, ...]:
        """Those of which all is known, in the same order: not one of which the broker has not said what it is."""
        found = ((rank, tunnel.known) for rank, tunnel in enumerate(self.tunnels))
        return tuple(replace(tunnel, rank=rank) for rank, tunnel in found if tunnel is not None)

    @property
    def known_tunnel(self) -> KnownTunnel | None:
        """The preferred one; None where there shall be none, and while the broker has not said what it is."""
        return self.tunnel.known if self.tunnel is not None else None

    def with_tunnel(self, rank: int, tunnel: AnyTunnel) -> Appliance:
        """The same with another tunnel of that rank."""
        if self.tunnel is None:
            return self
        taken: Any = tunnel  # in the place of one of its own kind
        return replace(self, tunnel=taken if rank == 0 else replace(self.tunnel, fallback=taken))
