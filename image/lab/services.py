"""What runs in the lab beside the appliance: the tunnel's provider, resolvers, and a web server beyond the tunnel."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address

from image import run as door
from image.lab import site as places
from image.lab.broker import HOST
from image.lab.cables import CARD_MAC, NIC
from image.lab.provider import provider
from image.lab.site import Site
from image.lab.topology import INTERNET, ROUTER
from image.lab.world import World

PAGE = "You have reached the IPv6 Internet.\n"


@contextmanager
def services(world: World, site: Site) -> Iterator[None]:
    """All of them, while the block runs."""
    with ExitStack() as stack:
        stack.enter_context(provider(world, site))
        stack.enter_context(world.running(INTERNET, resolvers(site.resolvers), log="resolvers"))
        stack.enter_context(world.running(INTERNET, web_server(world), log="web-server"))
        if site.router_serves:
            stack.enter_context(world.running(ROUTER, router_dhcp(site), log="router-dhcp"))
        yield


def resolvers(addresses: Iterable[IPv4Address | IPv6Address]) -> Sequence[door.Word]:
    """A dnsmasq that is all of the DNS servers with these addresses; its log names each question."""
    return [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-queries",
        "--bind-interfaces", *(f"--listen-address={address}" for address in addresses),
        f"--host-record={places.SERVER_NAME},{places.NAMED_IPV4},{places.NAMED_IPV6}",
        f"--host-record={HOST},{places.BROKER}",
        "--local=/#/",
    ]  # fmt: skip


def router_dhcp(site: Site) -> Sequence[door.Word]:
    """The home router's own DHCP server, which has one address for the Pi."""
    network = site.pi_uplink.network
    return [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=0",
        f"--interface={NIC}", f"--dhcp-range={network[20]},{network[60]},1h",
        f"--dhcp-host={CARD_MAC},{site.pi_uplink.ip}", f"--dhcp-option=option:router,{site.router}",
        *(f"--dhcp-option=option:dns-server,{each}" for each in site.resolvers[:1] if each.version == 4),
        "--dhcp-leasefile=/run/router-leases",
    ]  # fmt: skip


@contextmanager
def home_dhcp(world: World, site: Site) -> Iterator[None]:
    """The home router gives out IPv4 addresses of its own network while the block runs."""
    network = site.pi_uplink.network
    argv = [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=0",
        f"--dhcp-range={network[100]},{network[110]},1h", f"--dhcp-option=option:router,{site.router}",
        "--dhcp-leasefile=/run/home-leases", "--dhcp-authoritative",
    ]  # fmt: skip
    with world.running(ROUTER, argv, log="home-dhcp"):
        yield


def web_server(world: World) -> Sequence[door.Word]:
    """An HTTP server with one page."""
    pages = world.logs / "www"
    pages.mkdir(exist_ok=True)
    (pages / "index.html").write_text(PAGE)
    return [sys.executable, "-m", "http.server", "--bind", "::", "--directory", str(pages), "80"]
