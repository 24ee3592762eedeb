"""What runs in the lab beside the appliance: the tunnel's provider, resolvers, and a web server beyond the tunnel."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address

from image import run as door
from image.lab import site as places
from image.lab.broker import HOST
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
