"""The home around a gadget, with a host of this machine's kernel in the Pi's place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image.lab import home as places
from image.lab.cables import CARD_MAC, NIC, plug
from image.lab.client import Client
from image.lab.home import Home, home_lab
from image.lab.services import PAGE
from image.lab.site import NAMED_IPV4, NAMED_IPV6, SERVER, SERVER_NAME, WAN_ROUTER
from image.lab.waiting import until

pytestmark = pytest.mark.netns
PI = "pi"
ROUTER = str(places.ROUTER_IPV4.ip)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_lab(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def pi(home: Home) -> Client:
    """A host with the Pi's MAC address, which has asked for its addresses as any does."""
    home.world.add_namespace(PI)
    plug(home.world, PI, switch=places.SWITCH)
    home.world.run(PI, ["ip", "link", "set", NIC, "address", CARD_MAC])
    made = Client(home.world, PI)
    made.replug()
    lease = made.dhcp_lease()
    assert [str(router) for router in lease.routers] == [ROUTER]
    home.world.run(PI, ["ip", "route", "add", "default", "via", ROUTER])
    made.slaac_address()
    return made


def test_addresses(pi: Client) -> None:
    assert pi.slaac_address() in places.PREFIX
    assert str(places.PI_IPV4) in pi.run("ip", "address", "show", "dev", NIC)


def test_reaches_the_internet(pi: Client) -> None:
    for address in (NAMED_IPV6, SERVER.ip):
        assert pi.fetch(address) == PAGE
    assert pi.run("curl", "--silent", "--max-time", "5", f"http://{NAMED_IPV4}/") == PAGE
    assert pi.resolve(SERVER_NAME, "A", server=ROUTER) == [str(NAMED_IPV4)]


def test_can_be_reached(home: Home, pi: Client) -> None:
    """So that what a test cannot reach was refused by the Pi itself."""
    with pi.listening(2222):
        assert home.outside.knock(pi.slaac_address(), 2222) == "connected"
        assert home.internet.knock(WAN_ROUTER.ip, 2222) == "connected"
        assert home.neighbour.knock(places.PI_IPV4.ip, 2222) == "connected"


def test_questions_arrive(home: Home, pi: Client) -> None:
    """So that silence is the Pi's own: where nobody listens, it says so."""
    assert home.neighbour.ask(places.ROUTER_IPV4.ip, 53, SERVER_NAME) == "answered"
    with home.dns_gone():
        assert home.neighbour.ask(places.ROUTER_IPV4.ip, 53, SERVER_NAME, timeout_s=0.5) == "timed-out"
    assert home.neighbour.ask(places.PI_IPV4.ip, 53, SERVER_NAME) == "refused"
    assert home.neighbour.ask(pi.slaac_address(), 53, SERVER_NAME) == "refused"
    assert home.internet.ask(WAN_ROUTER.ip, 53, SERVER_NAME) == "refused"
    assert home.internet.ask(pi.slaac_address(), 53, SERVER_NAME) == "refused"


def test_faults(home: Home, pi: Client) -> None:
    def works() -> bool:
        try:
            return bool(pi.resolve(SERVER_NAME, "A", server=ROUTER)) and pi.fetch(NAMED_IPV6, timeout_s=2) == PAGE
        except PermanentError:
            return False

    assert works()
    with home.router_dead():
        assert re.search(r"state UP|LOWER_UP", pi.run("ip", "link", "show", "dev", NIC))
        assert not pi.resolve(SERVER_NAME, "A", server=ROUTER)
        with pytest.raises(PermanentError, match="curl"):
            pi.fetch(NAMED_IPV6, timeout_s=2)
    until(works, "the Internet is back", timeout_s=15)
    with home.dns_gone():
        assert not pi.resolve(SERVER_NAME, "A", server=ROUTER)
        assert pi.fetch(NAMED_IPV6) == PAGE
    until(works, "the Internet is back", timeout_s=15)
    with home.no_ipv6():
        with pytest.raises(PermanentError):
            pi.router_advertisement()
        with pytest.raises(PermanentError, match="curl"):
            pi.fetch(NAMED_IPV6, timeout_s=2)
        assert pi.resolve(SERVER_NAME, "A", server=ROUTER)
    until(works, "the Internet is back", timeout_s=15)
    with home.provider_gone():
        pi.run("ping", "-c", "1", "-W", "2", ROUTER)
        with pytest.raises(PermanentError, match="curl"):
            pi.fetch(NAMED_IPV6, timeout_s=2)
    until(works, "the Internet is back", timeout_s=15)


def test_without_ipv6(tmp_path: Path) -> None:
    with home_lab(tmp_path, ipv6=False) as made:
        assert "1 received" in made.neighbour.run("ping", "-c", "1", "-W", "2", str(NAMED_IPV4))
        with pytest.raises(PermanentError):
            made.neighbour.router_advertisement()
