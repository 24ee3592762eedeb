"""Where everything in the lab is: taken from the appliance's own configuration, so that any of them can be tried."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from appliance.errors import InputError
from appliance.model import Appliance, Broker, KnownTunnel, Lan, Uplink

# The Internet of the lab: documentation prefixes (RFC 5737, RFC 3849).
WAN_ROUTER = IPv4Interface("203.0.113.2/26")
"""The home router's public address: what the broker knows as the client's."""
WAN_ROUTER_LATER = IPv4Interface("203.0.113.41/26")
"""What it is given later, by a provider that changes the addresses of its customers."""
WAN_ISP = IPv4Interface("203.0.113.1/26")
CORE_ISP = IPv4Interface("203.0.113.193/30")
CORE_PROVIDER = IPv4Interface("203.0.113.194/30")
TRANSIT_PROVIDER = IPv4Interface("203.0.113.197/30")
TRANSIT_INTERNET = IPv4Interface("203.0.113.198/30")
BROKER = IPv4Address("64.62.200.2")
"""The tunnel broker's web server: no documentation address, see `NAMED_IPV4`."""
STRANGER = IPv4Address("198.51.100.66")
"""An IPv4 host on the Internet that is not the tunnel server."""
SERVER = IPv6Interface("2001:db8:ffff::80/64")
"""A web server on the IPv6 Internet."""
SERVER_ROUTER = IPv6Interface("2001:db8:ffff::1/64")
RESOLVER = IPv4Address("1.1.1.1")
"""Where the configuration names none."""
FIRST, SECOND = "eth0", "eth1"
HOMES = (IPv4Network("192.168.178.0/24"), IPv4Network("192.168.179.0/24"))
"""Where the configuration names no address of the Pi."""
SERVER_NAME = "www.example.net"
NAMED_IPV4 = IPv4Address("93.184.216.34")
NAMED_IPV6 = IPv6Address("2606:2800:220:1:248:1893:25c8:1946")
"""What that name stands for: the same server, but no documentation addresses, which a resolver that heeds RFC 6303
takes for an attack (DNS rebinding)."""


@dataclass(frozen=True)
class Site:
    """The places that one appliance's configuration names."""

    pi_uplink: IPv4Interface
    router: IPv4Address
    resolvers: tuple[IPv4Address | IPv6Address, ...]
    tunnel_server: IPv4Address
    tunnel_client: IPv6Interface
    routed: IPv6Network
    pi_lan: IPv4Interface
    two_armed: bool
    account: Broker | None = None
    """At the tunnel broker, where the appliance is to tell it of its address."""
    router_serves: bool = False
    """The home router gives out addresses by DHCP, as the Pi does not, or has none itself."""

    @property
    def broker_side(self) -> IPv6Interface:
        """The tunnel server's own address inside the tunnel: the first of its prefix."""
        network = self.tunnel_client.network
        return IPv6Interface((network.network_address + 1, network.prefixlen))

    @property
    def web_host(self) -> IPv6Interface:
        """A machine on the LAN with a fixed address, for what the firewall lets in."""
        return IPv6Interface((self.routed.network_address + 2, self.routed.prefixlen))

    @property
    def lan(self) -> IPv4Network:
        """The IPv4 network that the LAN's clients are on."""
        return self.pi_lan.network


def site_of(appliance: Appliance) -> Site:
    """The site that a gateway's configuration describes; `InputError` when the lab cannot play it."""
    uplink, tunnel, lan = gateway_parts(appliance)
    two_armed = lan.interface != uplink.interface
    check_interfaces(uplink, lan)
    pi_uplink, router = addresses_at_home(uplink, lan)
    return Site(
        pi_uplink=pi_uplink,
        router=router,
        resolvers=uplink.dns or (RESOLVER,),
        tunnel_server=tunnel.server,
        tunnel_client=tunnel.address,
        routed=tunnel.routed,
        pi_lan=lan.address or pi_uplink,
        two_armed=two_armed,
        account=appliance.tunnel.broker if appliance.tunnel is not None else None,
        router_serves=uplink.address is None or (not two_armed and lan.dhcp4 is None),
    )


def check_interfaces(uplink: Uplink, lan: Lan) -> None:
    """Raise InputError where the lab's Pi does not have them."""
    if uplink.interface != FIRST or any(each.interface not in (FIRST, SECOND) for each in lan.networks):
        raise InputError(f"the lab's Pi has {FIRST} for its uplink, and {SECOND}", hint="set others' names to these")
    if lan.interface == FIRST and lan.others:
        raise InputError("the lab plays one LAN", hint="leave lan.others out")


def addresses_at_home(uplink: Uplink, lan: Lan) -> tuple[IPv4Interface, IPv4Address]:
    """The Pi's address, and its router's: those of the file, or by DHCP some of a network that is not the LAN."""
    if uplink.address is not None and uplink.gateway is not None:
        return uplink.address, uplink.gateway
    network = next(each for each in HOMES if lan.address is None or not each.overlaps(lan.address.network))
    return IPv4Interface((network[252], network.prefixlen)), network[254]


def gateway_parts(appliance: Appliance) -> tuple[Uplink, KnownTunnel, Lan]:
    """What a gateway must have; `InputError` for another profile."""
    tunnel = appliance.known_tunnel
    if appliance.uplink is None or appliance.lan is None:
        raise InputError(f"the lab cannot play the profile {appliance.profile}", hint="it plays gateway")
    if tunnel is None:
        what = "the lab plays a tunnel whose server, address and routed prefix are in the file"
        raise InputError(what, hint="give all three; 6rd, and what the broker would have to say, are not played")
    return appliance.uplink, tunnel, appliance.lan
