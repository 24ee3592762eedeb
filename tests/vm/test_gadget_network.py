"""The Pi finds out by itself who shares with whom: NetworkManager, dnsmasq and the firewall of the very image."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from itertools import pairwise

import pytest

from firstboot.cable import BRIDGE
from firstboot.rendered.dnsmasq import CONFIG
from firstboot.resources.units import DNSMASQ
from firstboot.sharing import Mode, Offered
from image.lab.laptop import CABLE, Laptop
from image.lab.waiting import until
from tests.vm import on_the_pi
from tests.vm.gadgets import Plugged, wired

pytestmark = pytest.mark.vm
OWN = IPv4Address("10.55.0.1")
WINDOWS = IPv4Interface("192.168.137.1/24")
"""What a laptop calls itself that shares its Internet: Windows does."""
TURN_S, BACK_S = 90.0, 30.0
"""With the emulator's pace. What it takes on a real one is `tests/netns`' to say."""


@pytest.fixture(scope="module", autouse=True)
def auto(gadget: Plugged) -> Iterator[None]:
    on_the_pi.is_ready(gadget.guest, timeout_s=on_the_pi.READY_S)
    gadget.guest.write(on_the_pi.CONFIG, wired().replace("share: route", "share: auto"))
    yield
    gadget.guest.write(on_the_pi.CONFIG, wired())
    on_the_pi.reaches_state(gadget.guest, "ready", timeout_s=on_the_pi.READY_S)


def test_it_starts_as_the_way_out(gadget: Plugged) -> None:
    until(lambda: is_router(gadget.laptop), "the laptop has its routes", timeout_s=60)
    says(gadget, Offered(BRIDGE, Mode.ROUTE, (4, 6)))


def says(gadget: Plugged, offered: Offered) -> None:
    """What `appliance status` tells of the cable."""
    wanted = [{"interface": offered.interface, "mode": offered.mode, "families": list(offered.families)}]
    until(lambda: on_the_pi.told(gadget.guest).get("cable") == wanted, f"the status has {offered}", timeout_s=60)
    assert on_the_pi.status(gadget.guest)["cable"] == wanted


def test_what_is_offered_at_power_on_is_nothing(gadget: Plugged) -> None:
    """Of the file that dnsmasq starts from before the daemon knows anything."""
    lines = gadget.guest.run("cat", str(CONFIG)).splitlines()
    assert f"dhcp-option=tag:{BRIDGE},option:router" in lines
    assert f"dhcp-option=tag:{BRIDGE},option:dns-server" in lines
    assert [line.rpartition(",")[2] for line in lines if line.startswith("ra-param=")] == ["0"]


def test_a_laptop_that_shares_is_the_pis_way_out(gadget: Plugged) -> None:
    laptop = gadget.laptop
    share(laptop)
    address = until(lambda: given(gadget), "the Pi has an address of the laptop's", timeout_s=TURN_S)
    assert address in WINDOWS.network
    until(
        lambda: gadget.guest.ask(["ping", "-c1", "-W2", str(WINDOWS.ip)]).code == 0, "they see each other", timeout_s=20
    )
    routes = gadget.guest.run("ip", "route", "show", "default", "dev", BRIDGE)
    assert str(WINDOWS.ip) in routes
    assert gadget.guest.ask(["systemctl", "is-active", DNSMASQ]).output.strip() == "inactive"
    on_the_pi.is_ready(gadget.guest, timeout_s=60)
    says(gadget, Offered(BRIDGE, Mode.HOST))


def test_and_no_longer_when_it_stops(gadget: Plugged) -> None:
    laptop = gadget.laptop
    stop_sharing(laptop)
    until(lambda: OWN in addresses(gadget), "the Pi has its own address again", timeout_s=BACK_S)
    until(lambda: not given(gadget), "the laptop's is gone", timeout_s=BACK_S)
    laptop.lease(timeout_s=60)
    until(lambda: is_router(laptop), "the laptop has its routes", timeout_s=60)
    on_the_pi.is_ready(gadget.guest, timeout_s=60)


def is_router(laptop: Laptop) -> bool:
    """Whether the laptop sends into the cable what is for the Internet."""
    return all(laptop.default_routes(family) for family in (4, 6))


def share(laptop: Laptop) -> None:
    """What a laptop does when its user clicks on sharing: an address, and a DHCP server."""
    laptop.run("dhcpcd", "--exit", CABLE)
    laptop.run("ip", "address", "add", str(WINDOWS), "dev", CABLE)
    options = [
        "--dhcp-range=192.168.137.10,192.168.137.20",
        f"--interface={CABLE}",
        "--bind-dynamic",
        "--port=0",
        "--leasefile-ro",
    ]
    laptop.start("sharing", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", *options)


def stop_sharing(laptop: Laptop) -> None:
    """And when it ends: an ordinary client again."""
    laptop.stop("sharing")
    laptop.run("ip", "address", "del", str(WINDOWS), "dev", CABLE)
    laptop.run("dhcpcd", "--noarp", "--nodelay", "--background", "--script", "/dev/null", CABLE)


def addresses(gadget: Plugged) -> list[IPv4Address]:
    """The Pi's on the cable."""
    words = gadget.guest.run("ip", "-4", "-oneline", "address", "show", "dev", BRIDGE).split()
    return [IPv4Interface(value).ip for word, value in pairwise(words) if word == "inet"]


def given(gadget: Plugged) -> IPv4Address | None:
    """The Pi's address there that the laptop gave it."""
    return next((found for found in addresses(gadget) if found in WINDOWS.network), None)
