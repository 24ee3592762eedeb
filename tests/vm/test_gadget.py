"""The very image boots with a USB device controller, and a laptop is at the other end of the cable."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from firstboot.cable import BRIDGE
from image.lab.cables import NIC
from image.lab.laptop import DRIVERS, Laptop
from image.lab.waiting import until
from tests.figures import Figure
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged, wired

pytestmark = pytest.mark.vm
READY_S = 240
OWN = IPv4Interface("10.55.0.1/28")
HOSTNAME = "pigadget"


def test_ready(gadget: Plugged) -> None:
    on_the_pi.is_ready(gadget.guest, timeout_s=READY_S)


def test_linux_takes_ecm(gadget: Plugged) -> None:
    """By itself, of two configurations."""
    assert gadget.laptop.driver() == DRIVERS["ecm"]


def test_closed(gadget: Plugged) -> None:
    on_the_cable.is_closed_outside(gadget)


@pytest.fixture(scope="module", params=["ecm", "rndis"])
def function(request: pytest.FixtureRequest) -> str:
    """First the one function of the cable and then the other."""
    return str(request.param)


@pytest.fixture
def laptop(gadget: Plugged, function: str) -> Laptop:
    """The laptop with that function."""
    gadget.laptop.keep(function)
    return gadget.laptop


def test_addresses(laptop: Laptop) -> None:
    on_the_cable.gives_addresses(laptop, OWN)


def test_routes(laptop: Laptop) -> None:
    on_the_cable.is_the_router(laptop, OWN)


def test_name(laptop: Laptop) -> None:
    on_the_cable.has_its_name(laptop, HOSTNAME, OWN)


def test_dns(laptop: Laptop) -> None:
    on_the_cable.resolves(laptop)


def test_announces_itself_on_the_cable_alone(gadget: Plugged) -> None:
    words = gadget.guest.run("journalctl", "--boot", "--unit=avahi-daemon.service", "--output=cat", "--no-pager")
    assert f"on interface {BRIDGE}." in words
    assert f"on interface {NIC}." not in words


def test_internet(laptop: Laptop) -> None:
    on_the_cable.reaches_the_internet(laptop)


def test_hidden(gadget: Plugged, laptop: Laptop) -> None:
    on_the_cable.hides_the_laptop(gadget, OWN)


def test_cable_of_the_uplink_pulled(gadget: Plugged, laptop: Laptop, function: str, figure: Figure) -> None:
    took_s = on_the_cable.withdraws_and_offers_again(laptop, function, gadget.guest.unplugged())
    figure(f"{function}: the uplink's cable pulled: the default routes went after {took_s:.1f} s")
    on_the_cable.resolves(laptop)
    on_the_cable.reaches_the_internet(laptop)


def test_router_dead(gadget: Plugged, laptop: Laptop, function: str, figure: Figure) -> None:
    """Its carrier stays: nobody tells the Pi."""
    took_s = on_the_cable.withdraws_and_offers_again(laptop, function, gadget.home.router_dead())
    figure(f"{function}: the uplink's router dead: the default routes went after {took_s:.1f} s")
    on_the_cable.reaches_the_internet(laptop)


def test_share_local(gadget: Plugged, laptop: Laptop, function: str) -> None:
    """And back again, without a reboot."""
    gadget.guest.write(on_the_pi.CONFIG, wired().replace("share: route", "share: local"))
    until(lambda: not laptop.has_default_routes(), "the laptop has no route via the Pi", timeout_s=30)
    laptop.keep(function)
    laptop.lease(timeout_s=60)
    on_the_cable.offers_nothing(laptop, OWN)
    gadget.guest.write(on_the_pi.CONFIG, wired())
    on_the_cable.is_the_router(laptop, OWN)
    on_the_cable.reaches_the_internet(laptop)
