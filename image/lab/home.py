"""The lab around a gadget's uplink: an ordinary home, and the Internet.

```
 Pi eth0 ─┐
 neighbour ┼─ bridge home ─ router ─ internet (resolver, web server, a stranger)
          ─┘               IPv4 with NAT; IPv6 routed, where there is any
```

The router lets everything in: whatever may come from outside gets to the Pi, and it is the Pi that must refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from image import run as door
from image.lab import site as places
from image.lab.cables import (
    CARD_MAC,
    NIC,
    WIRES,
    add_card,
    add_switch,
    add_wires,
    address,
    connect,
    default_route,
    ip,
    plug,
)
from image.lab.client import Client
from image.lab.outside import Outside
from image.lab.services import resolvers, web_server
from image.lab.topology import INTERNET, ROUTER
from image.lab.waiting import until
from image.lab.world import World, world

NEIGHBOUR = "neighbour"
SWITCH = "home"
CARD = "pi0"

ROUTER_IPV4 = IPv4Interface("192.168.178.1/24")
PI_IPV4 = IPv4Interface("192.168.178.20/24")
"""What the router's DHCP server gives the Pi."""
NEIGHBOUR_IPV4 = IPv4Interface("192.168.178.30/24")
PREFIX = IPv6Network("2001:db8:178:1::/64")
"""The home's IPv6 prefix, reached from the Internet through the router."""
ROUTER_IPV6 = IPv6Interface((PREFIX[1], 64))
LENT = IPv6Network("2001:db8:f00::/48")
"""Of this the home's router has prefixes to lend, if it lends any."""
NEIGHBOUR_IPV6 = IPv6Interface((PREFIX[0x30], 64))
LINK_ROUTER, LINK_INTERNET = IPv6Interface("2001:db8:fffe::2/64"), IPv6Interface("2001:db8:fffe::1/64")
RESOLVER = IPv4Address("198.51.100.53")
"""The provider's DNS server; the router passes questions on to it."""

NO_DNS = "type filter hook input priority 0; meta l4proto { tcp, udp } th dport 53 drop;"
NO_IPV6 = (
    "type filter hook output priority 0; icmpv6 type nd-router-advert drop;",
    "type filter hook forward priority 0; meta nfproto ipv6 drop;",
)
"""Chains of nftables for a home router that lacks something."""
ABOUT = {
    "router": "the home router is dead; the Pi's carrier stays",
    "provider": "the home router has no Internet, and answers as before",
    "dns": "nobody answers DNS",
    "ipv6": "the home router neither advertises nor routes IPv6",
}
"""What may be wrong with a home, by what `appliance lab fault` calls it."""


@dataclass(frozen=True)
class Home:
    """A running lab. The Pi is whatever uses `cards`."""

    world: World
    cards: tuple[str, ...] = (CARD,)

    @property
    def neighbour(self) -> Client:
        """Another host of the home."""
        return Client(self.world, NEIGHBOUR)

    @property
    def internet(self) -> Client:
        """Everything beyond the router, which is one host."""
        return Client(self.world, INTERNET)

    @property
    def outside(self) -> Outside:
        """The same, as somebody who wants in."""
        return Outside(self.world)

    @contextmanager
    def router_dead(self) -> Iterator[None]:
        """The router answers nothing and routes nothing while the block runs; the Pi's carrier stays."""
        with self._down(WIRES, ROUTER):
            yield

    @contextmanager
    def lending(self, pi: IPv6Address) -> Iterator[IPv6Network]:
        """The router lends prefixes of that one (DHCPv6) while the block runs, and routes it to the Pi's address.

        Its advertisements say as before that there is more to be asked by DHCPv6.
        """
        config, leases = self.world.logs / "lend.conf", self.world.logs / "lent"
        first, *_, last = (prefix.network_address for prefix in LENT.subnets(new_prefix=56))
        pool = f"prefix6 {first} {last} /56;"
        config.write_text(f"default-lease-time 600;\nsubnet6 {PREFIX} {{ {pool} }}\n")
        leases.write_text("")
        argv: list[door.Word] = [
            "dhcpd",
            "-6",
            "-f",
            "-d",
            "-cf",
            config,
            "-lf",
            leases,
            "-pf",
            self.world.logs / "lend.pid",
            NIC,
        ]
        routes = ((ROUTER, pi, NIC), (INTERNET, LINK_ROUTER.ip, f"to-{ROUTER}"))
        for host, via, out in routes:
            ip(self.world, host, "route", "add", str(LENT), "via", str(via), "dev", out)
        with self.world.running(ROUTER, argv, log="lender"):
            yield LENT
        for host, _, _ in routes:
            ip(self.world, host, "route", "delete", str(LENT))

    @contextmanager
    def provider_gone(self) -> Iterator[None]:
        """The router has no Internet while the block runs, and answers as before."""
        with self._down(INTERNET, f"to-{ROUTER}"):
            yield
        lay_routes(self.world)  # which the kernel forgot with the link

    @contextmanager
    def dns_gone(self) -> Iterator[None]:
        """Nobody answers DNS while the block runs."""
        with self._filtered("dns", NO_DNS):
            yield

    @contextmanager
    def no_ipv6(self) -> Iterator[None]:
        """The router neither advertises nor routes IPv6 while the block runs. Who has heard of it believes on."""
        with self._filtered("ipv6", *NO_IPV6):
            yield

    @contextmanager
    def _filtered(self, name: str, *chains: str) -> Iterator[None]:
        self.world.run(ROUTER, ["nft", "-f", "-"], stdin=without(name, chains))
        try:
            yield
        finally:
            self.world.run(ROUTER, ["nft", "-f", "-"], stdin=with_again(name))

    @contextmanager
    def _down(self, host: str, interface: str) -> Iterator[None]:
        ip(self.world, host, "link", "set", interface, "down")
        try:
            yield
        finally:
            ip(self.world, host, "link", "set", interface, "up")


def without(name: str, chains: Sequence[str]) -> str:
    """What nft reads so that a router drops what these chains say."""
    return "\n".join([f"table inet without_{name} {{", *(f"chain c{n} {{ {c} }}" for n, c in enumerate(chains)), "}\n"])


def with_again(name: str) -> str:
    """And so that it does not any more."""
    return f"delete table inet without_{name}\n"


@contextmanager
def home_lab(logs: Path, *, ipv6: bool = True) -> Iterator[Home]:
    """The lab, while the block runs; its logs are kept in that folder."""
    with world(logs) as made:
        lay(made, ipv6=ipv6)
        with (
            made.running(INTERNET, resolvers([RESOLVER]), log="resolvers"),
            made.running(INTERNET, web_server(made), log="web-server"),
            made.running(ROUTER, router_services(made, ipv6=ipv6), log="router"),
        ):
            until(lambda: "started" in made.log("router").read_text(), "the router serves", timeout_s=10)
            yield Home(made)


def lay(made: World, *, ipv6: bool) -> None:
    """Make all of the networks; nothing runs on them yet."""
    add_wires(made)
    for namespace in (NEIGHBOUR, ROUTER, INTERNET):
        made.add_namespace(namespace)
    add_switch(made, SWITCH)
    add_card(made, CARD, switch=SWITCH)
    for host in (NEIGHBOUR, ROUTER):
        plug(made, host, switch=SWITCH)
    address(made, NEIGHBOUR, NIC, NEIGHBOUR_IPV4)
    default_route(made, NEIGHBOUR, ROUTER_IPV4)
    lay_router(made, ipv6=ipv6)
    for server in (places.NAMED_IPV4, places.NAMED_IPV6, places.SERVER.ip, places.STRANGER, RESOLVER):
        ip(made, INTERNET, "address", "add", str(server), "dev", "lo")
    if ipv6:
        address(made, NEIGHBOUR, NIC, NEIGHBOUR_IPV6)
    lay_routes(made)


def lay_router(made: World, *, ipv6: bool) -> None:
    """The router: what comes to its public IPv4 address it sends to the Pi."""
    address(made, ROUTER, NIC, ROUTER_IPV4)
    connect(made, ROUTER, INTERNET, places.WAN_ROUTER, places.WAN_ISP)
    address(made, ROUTER, f"to-{INTERNET}", LINK_ROUTER)
    address(made, INTERNET, f"to-{ROUTER}", LINK_INTERNET)
    default_route(made, ROUTER, places.WAN_ISP)
    default_route(made, ROUTER, LINK_INTERNET)
    made.run(ROUTER, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    rules = f"""
table ip nat {{
    chain out {{ type nat hook postrouting priority srcnat; oifname "to-{INTERNET}" masquerade; }}
    chain in {{ type nat hook prerouting priority dstnat; iifname "to-{INTERNET}" dnat to {PI_IPV4.ip}; }}
}}
"""
    made.run(ROUTER, ["nft", "-f", "-"], stdin=rules)
    if ipv6:
        made.run(ROUTER, ["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
        address(made, ROUTER, NIC, ROUTER_IPV6)


def lay_routes(made: World) -> None:
    """How the Internet reaches the home. (An address of its interface is gone with the link, too.)"""
    ip(made, INTERNET, "address", "replace", str(LINK_INTERNET), "dev", f"to-{ROUTER}", "nodad")
    ip(made, INTERNET, "route", "replace", str(PREFIX), "via", str(LINK_ROUTER.ip))


def router_services(made: World, *, ipv6: bool) -> list[door.Word]:
    """The router's DHCP server, DNS forwarder and router advertisements: a dnsmasq."""
    pool = ROUTER_IPV4.network
    advertising = ["--enable-ra", f"--dhcp-range={PREFIX.network_address},ra-stateless,64,10m"] if ipv6 else []
    return [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-dhcp",
        "--bind-dynamic", f"--interface={NIC}", f"--server={RESOLVER}",
        f"--dhcp-range={pool[100]},{pool[150]},10m", f"--dhcp-host={CARD_MAC},{PI_IPV4.ip}", "--dhcp-authoritative",
        f"--dhcp-leasefile={made.logs / 'router-leases'}", *advertising,
    ]  # fmt: skip
