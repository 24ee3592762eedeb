"""The networks around the Pi, each in a namespace of its own.

```
 one-armed                                     two-armed
   Pi eth0 ─┐                                    Pi eth1 ─┐
   client ──┼─ bridge lan                        client ──┼─ bridge lan
   web ─────┤                                    web ─────┘
   router ──┘                                    Pi eth0 ─┬─ bridge uplink
                                                 router ──┘
 router ─(IPv4, NAT)─ isp ─ provider (tunnel server) ─ internet (web server, resolvers, the broker, a stranger)
```
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from appliance.well_known import BEYOND
from image.lab import site as places
from image.lab.cables import NIC, add_card, add_switch, add_wires, address, connect, default_route, ip, plug
from image.lab.site import Site
from image.lab.world import World

CLIENT, WEB, ROUTER, ISP, PROVIDER, INTERNET = "client", "web", "router", "isp", "provider", "internet"
TUNNEL_DEVICE = "tunnel"


def cards(site: Site) -> tuple[str, ...]:
    """The TAP devices that are the Pi's network cards, eth0 first."""
    return ("pi0", "pi1") if site.two_armed else ("pi0",)


def lay(world: World, site: Site) -> None:
    """Make all of the networks; nothing runs on them yet."""
    add_wires(world)
    for namespace in (CLIENT, WEB, ROUTER, ISP, PROVIDER, INTERNET):
        world.add_namespace(namespace)
    lay_lan(world, site)
    lay_router(world, site)
    lay_isp(world, site)
    lay_provider(world, site)
    lay_internet(world, site)


def lay_lan(world: World, site: Site) -> None:
    """The switches, with the Pi's cards, and the hosts plugged into them."""
    add_switch(world, "lan")
    if site.two_armed:
        add_switch(world, "uplink")
    for host in (CLIENT, WEB):
        plug(world, host, switch="lan")
    plug(world, ROUTER, switch="uplink" if site.two_armed else "lan")
    for card in cards(site):
        add_card(world, card, switch=switch_of(site, card))


def switch_of(site: Site, card: str) -> str:
    """The switch that one of the Pi's cards is plugged into."""
    return "uplink" if site.two_armed and card == "pi0" else "lan"


def lay_router(world: World, site: Site) -> None:
    """The home router: IPv4 with NAT, and protocol 41 forwarded to the Pi, as the user must set it up."""
    address(world, ROUTER, NIC, IPv4Interface((site.router, site.pi_uplink.network.prefixlen)))
    connect(world, ROUTER, ISP, places.WAN_ROUTER, places.WAN_ISP)
    default_route(world, ROUTER, places.WAN_ISP)
    world.run(ROUTER, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    world.run(ROUTER, ["nft", "-f", "-"], stdin=router_rules(site))


def forward_tunnel(world: World, to: IPv4Address) -> None:
    """The home router's owner changes where protocol 41 goes. Its connections are forgotten: they outlive the rule."""
    world.run(ROUTER, ["nft", "-f", "-"], stdin=f"flush chain ip nat in\nadd rule ip nat in {forwarding(to)}\n")
    world.run(ROUTER, ["conntrack", "-F"])


def give_public_address(world: World, given: IPv4Interface) -> None:
    """The home router's provider gives it this address in place of the one that it has: its connections are over."""
    ip(world, ROUTER, "address", "flush", "dev", f"to-{ISP}")
    address(world, ROUTER, f"to-{ISP}", given)
    default_route(world, ROUTER, places.WAN_ISP)
    ip(world, ISP, "neigh", "flush", "dev", f"to-{ROUTER}")  # or what is for the old address gets here for a while
    world.run(ROUTER, ["conntrack", "-F"])


def forwarding(to: IPv4Address) -> str:
    """The rule of nftables that sends the tunnel's packets to the Pi."""
    return f'iifname "to-{ISP}" ip protocol 41 dnat to {to}'


def router_rules(site: Site) -> str:
    """The home router's nftables rules."""
    return f"""
table ip nat {{
    chain out {{ type nat hook postrouting priority srcnat; oifname "to-{ISP}" masquerade; }}
    chain in {{
        type nat hook prerouting priority dstnat;
        {forwarding(site.pi_uplink.ip)};
    }}
}}
"""


def lay_isp(world: World, site: Site) -> None:
    """A router between the home and the tunnel's provider, as a home has many: without it nobody could say how far
    protocol 41 gets.
    """
    connect(world, ISP, PROVIDER, places.CORE_ISP, places.CORE_PROVIDER)
    default_route(world, ISP, places.CORE_PROVIDER)
    world.run(ISP, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])


def lay_provider(world: World, site: Site) -> None:
    """The router of the tunnel's provider, which is the tunnel server as well."""
    ip(world, PROVIDER, "route", "add", str(places.WAN_ISP.network), "via", str(places.CORE_ISP.ip))
    connect(world, PROVIDER, INTERNET, places.TRANSIT_PROVIDER, places.TRANSIT_INTERNET)
    address(world, PROVIDER, f"to-{INTERNET}", places.SERVER_ROUTER)
    resolvers = (each for each in site.resolvers if each.version == 4)
    for host in (*resolvers, places.STRANGER, places.NAMED_IPV4, places.BROKER):
        ip(world, PROVIDER, "route", "add", str(host), "via", str(places.TRANSIT_INTERNET.ip))
    for host6 in (places.NAMED_IPV6, *BEYOND):
        ip(world, PROVIDER, "route", "add", str(host6), "via", str(places.SERVER.ip))
    address(world, PROVIDER, "lo", IPv4Interface(site.tunnel_server))
    ip(world, PROVIDER, "tuntap", "add", TUNNEL_DEVICE, "mode", "tun")
    ip(world, PROVIDER, "link", "set", TUNNEL_DEVICE, "mtu", "1480", "up")
    address(world, PROVIDER, TUNNEL_DEVICE, site.broker_side)
    ip(world, PROVIDER, "route", "add", str(site.routed), "dev", TUNNEL_DEVICE)
    world.run(PROVIDER, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])


def lay_internet(world: World, site: Site) -> None:
    """Everything beyond the provider, on one host."""
    uplink = f"to-{PROVIDER}"
    address(world, INTERNET, uplink, places.SERVER)
    default_route(world, INTERNET, places.SERVER_ROUTER)
    default_route(world, INTERNET, places.TRANSIT_PROVIDER)
    hosts = (*site.resolvers, places.STRANGER, places.NAMED_IPV4, places.NAMED_IPV6, places.BROKER, *BEYOND)
    for host in hosts:
        ip(world, INTERNET, "address", "add", str(host), "dev", "lo")
