"""The very image boots with a USB device controller, and a laptop is at the other end of the cable."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from firstboot.cable import BRIDGE
from image.lab import home
from image.lab.cables import NIC
from image.lab.laptop import CABLE, DRIVERS, NAME, Laptop
from image.lab.waiting import until
from tests.figures import Figure
from tests.gadget_verdicts import TABLE, places
from tests.verdicts import asked, packet
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged, wired
from tests.vm.knocking import FIRST, Knocking
from tests.vm.verdicts import Inside, at_gadget, crossed

pytestmark = pytest.mark.vm
OWN = IPv4Interface("10.55.0.1/28")
HOSTNAME = "pigadget"


def test_ready(gadget: Plugged) -> None:
    on_the_pi.is_ready(gadget.guest, timeout_s=on_the_pi.READY_S)


def test_nothing_gets_in_at_the_first_boot(gadget: Plugged) -> None:
    """Of this card: nothing is there yet of what the daemon writes. From before it had power until it was ready."""
    knocks = Knocking(gadget.home.world.log(FIRST))
    assert knocks.sent > 1000
    assert on_the_pi.address_in(gadget.guest, home.PREFIX, NIC) in knocks.found
    assert on_the_pi.link_local(gadget.guest, NIC) in knocks.found
    assert knocks.came == []
    assert gadget.laptop.received_of_tcp() == 0
    assert on_the_pi.received(gadget.guest, NIC) > 1000


def test_linux_takes_ecm(gadget: Plugged) -> None:
    """By itself, of two configurations."""
    assert gadget.laptop.driver() == DRIVERS["ecm"]


def test_closed(gadget: Plugged) -> None:
    on_the_cable.is_closed_outside(gadget)


def test_who_may_send_what_to_whom(gadget: Plugged) -> None:
    """The standard policy, packet by packet."""
    guest, mac = gadget.guest, gadget.guest.run("cat", f"/sys/class/net/{BRIDGE}/address").strip()
    box = {4: str(home.PI_IPV4.ip), 6: str(on_the_pi.address_in(guest, home.PREFIX, NIC))}
    there = places(box, {4: str(home.PI_IPV4.ip + 9), 6: str(home.PREFIX[9])}, gadget.laptop.slaac()[0].network)
    sent = [packet(there, row.source, row.destination, row.what, family) for row, family in asked(TABLE)]
    passed = crossed(guest, gadget.home.world, Inside(NAME, CABLE, BRIDGE, mac), at_gadget, sent)
    found = {(str(row), family): has for (row, family), has in zip(asked(TABLE), passed, strict=True)}
    assert found == {(str(row), family): row.verdicts[family] for row, family in asked(TABLE)}


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
