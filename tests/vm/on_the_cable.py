"""What a gadget must do, seen from the laptop and from the uplink's side: each function checks one thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network

from image.lab import home as places
from image.lab.cables import NIC, ip
from image.lab.client import Client
from image.lab.guest import Guest
from image.lab.laptop import CABLE, Laptop
from image.lab.services import PAGE
from image.lab.site import NAMED_IPV4, NAMED_IPV6, SERVER, SERVER_NAME, WAN_ROUTER
from image.lab.waiting import until
from tests.vm import on_the_pi
from tests.vm.gadgets import Plugged

UNIQUE_LOCAL = IPv6Network("fc00::/7")
LINK_LOCAL = IPv6Address("fe80::1")
CLOSED = "timed-out"
NO_ANSWER = (CLOSED, "unreachable")
"""What a kernel makes of silence, when it waits for an answer and when it waits for the next hop's address as long."""
PORT = 5201
"""Where the laptop has something that takes connections: iperf3's."""
WITHDRAWN_S = 30.0
"""On a busy computer; `make bench` has the seconds."""
BACK_S = 240.0
"""Linux's RNDIS driver does not hear that the carrier went, so its DHCP client only asks again when half of the lease
is over: after a minute. With ECM it takes a few seconds. Either takes longer on a busy computer."""


def gives_addresses(laptop: Laptop, own: IPv4Interface) -> None:
    """A lease of the cable's network, and an address in its unique local /64."""
    lease = laptop.lease(timeout_s=60)
    assert lease.network == own.network
    assert lease.ip != own.ip
    slaac = laptop.slaac()
    assert slaac
    assert all(address.ip in UNIQUE_LOCAL and address.network.prefixlen == 64 for address in slaac)


def is_the_router(laptop: Laptop, own: IPv4Interface) -> None:
    """The laptop's default routes lead to the Pi, and no others."""
    laptop.until(lambda: laptop.has_default_routes() == {4, 6}, "the laptop has its default routes", timeout_s=BACK_S)
    assert [route["gateway"] for route in laptop.default_routes(4)] == [str(own.ip)]
    assert [route["gateway"] for route in laptop.default_routes(6)] == [str(LINK_LOCAL)]
    until(lambda: laptop.reaches(f"{LINK_LOCAL}%cable"), "it answers", timeout_s=30)


def has_its_name(laptop: Laptop, hostname: str, own: IPv4Interface) -> None:
    """`<hostname>.local`, asked of everybody on the cable; at first its responder looks for others of the name."""
    name = f"{hostname}.local"
    laptop.until(lambda: laptop.resolve_on_the_cable(name) == str(own.ip), "the name is answered", timeout_s=BACK_S)


def resolves(laptop: Laptop) -> None:
    """By each of the DNS servers that it was told."""
    servers = laptop.resolvers()
    assert servers
    for server in servers:
        assert laptop.resolve(SERVER_NAME, "A", server=server) == [str(NAMED_IPV4)]
        assert laptop.resolve(SERVER_NAME, "AAAA", server=server) == [str(NAMED_IPV6)]


def reaches_the_internet(laptop: Laptop) -> None:
    """Once it has an address to send from: a route may be there before it is known to be nobody else's."""
    laptop.slaac()
    for url in (f"http://{NAMED_IPV4}/", f"http://[{NAMED_IPV6}]/", f"http://[{SERVER.ip}]/"):
        assert laptop.fetch(url) == PAGE


def offers_nothing(laptop: Laptop, own: IPv4Interface) -> None:
    """The laptop's own Internet is untouched, and the Pi is there nevertheless."""
    assert laptop.lease().network == own.network
    assert laptop.has_default_routes() == set()
    assert laptop.resolvers() == []
    assert laptop.reaches(own.ip)


def withdraws_and_offers_again(laptop: Laptop, function: str, broken: AbstractContextManager[None]) -> float:
    """Without an uplink the laptop keeps its own Internet; in seconds, how long it took.

    Its adapter goes and comes meanwhile, and it keeps to the function that it had.
    """
    with ExitStack() as still:
        still.enter_context(broken)
        began = time.monotonic()
        until(lambda: not laptop.has_default_routes(), "the default routes go", timeout_s=WITHDRAWN_S, every_s=0.1)
        took = time.monotonic() - began
        laptop.keep(function)
        laptop.lease(timeout_s=BACK_S)
        assert not laptop.has_default_routes() and not laptop.resolvers()
    until(lambda: laptop.has_default_routes() == {4, 6}, "the default routes come back", timeout_s=BACK_S)
    laptop.slaac()
    return took


def is_closed_outside(plugged: Plugged, *, has_daemon: bool = True) -> None:
    """Nobody at home or on the Internet gets to the Pi, by any address that leads to it."""
    became = attempts_outside(plugged, has_daemon=has_daemon)
    assert set(became.values()) == {CLOSED}, became


def attempts_outside(plugged: Plugged, *, has_daemon: bool = True) -> Mapping[str, str]:
    """What becomes of attempts to connect, and of questions over UDP: of an open Pi's, none is silence.

    avahi is not there on the uplink, and would not say so; `tests/netns` asks a program at its port that answers.
    Without a daemon there is no dhcpcd either, and so no IPv6 address but the link's own.
    """
    home = plugged.home
    own = IPv6Address(f"{on_the_pi.link_local(plugged.guest, NIC)}%{NIC}")
    doors: list[tuple[Client, IPv4Address | IPv6Address]]
    doors = [(home.neighbour, places.PI_IPV4.ip), (home.internet, WAN_ROUTER.ip), (home.neighbour, own)]
    if has_daemon:
        known = on_the_pi.address_in(plugged.guest, places.PREFIX, NIC)
        doors += [(home.neighbour, known), (home.internet, known)]
    attempts: dict[str, Callable[[], str]] = {}
    for host, address in doors:
        attempts[f"{host.name} asks {address} for a name"] = partial(host.ask, address, 53, SERVER_NAME)
        for port in (22, 53, 80):
            attempts[f"{host.name} to {address}, port {port}"] = partial(host.knock, address, port)
    with ThreadPoolExecutor(len(attempts)) as pool:  # each waits for seconds
        return dict(zip(attempts, pool.map(lambda attempt: attempt(), attempts.values()), strict=True))


def hides_the_laptop(plugged: Plugged, own: IPv4Interface) -> None:
    """A neighbour that knows the way, through the Pi, to a laptop that would answer."""
    with (
        listening(plugged.guest, plugged.laptop) as addresses,
        knowing_the_way(plugged, places.NEIGHBOUR),
        knowing_the_way_back(plugged.laptop, own),
    ):
        for address in addresses:
            assert plugged.home.neighbour.knock(address, PORT) in NO_ANSWER


@contextmanager
def listening(guest: Guest, laptop: Laptop) -> Iterator[tuple[IPv4Address, IPv6Address]]:
    """The laptop takes connections at these addresses while the block runs, on `PORT`, as the Pi has seen."""
    addresses = laptop.lease().ip, laptop.slaac()[0].ip
    laptop.start("listener", "iperf3", "--server", "--port", str(PORT))
    try:
        for address in addresses:
            until(partial(connects, guest, str(address)), "the Pi connects to the laptop", timeout_s=10)
        yield addresses
    finally:
        laptop.stop("listener")


def connects(guest: Guest, address: str) -> bool:
    """Whether the Pi itself can open a connection to the laptop."""
    return guest.python(f"import socket; socket.create_connection(({address!r}, {PORT}), 3).close()").code == 0


@contextmanager
def knowing_the_way(plugged: Plugged, host: str) -> Iterator[None]:
    """A host at home sends what is for the cable's networks to the Pi."""
    laptop = plugged.laptop
    own = on_the_pi.link_local(plugged.guest, NIC)
    ways = ((laptop.lease().network, places.PI_IPV4.ip), (laptop.slaac()[0].network, own))
    for network, via in ways:
        ip(plugged.home.world, host, "route", "add", str(network), "via", str(via), "dev", NIC)
    try:
        yield
    finally:
        for network, _ in ways:
            ip(plugged.home.world, host, "route", "delete", str(network))


@contextmanager
def knowing_the_way_back(laptop: Laptop, own: IPv4Interface) -> Iterator[None]:
    """The laptop answers the home by the Pi, also while that offers no way out."""
    ways = (
        (["ip", "route"], str(places.ROUTER_IPV4.network), str(own.ip)),
        (["ip", "-6", "route"], str(places.PREFIX), str(LINK_LOCAL)),
    )
    for program, network, via in ways:
        laptop.run(*program, "add", network, "via", via, "dev", CABLE)
    try:
        yield
    finally:
        for program, network, _ in ways:
            laptop.run(*program, "delete", network)
