"""The very image boots with a USB device controller, and a laptop is at the other end of the cable."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from image.lab.laptop import DRIVERS, Laptop
from image.lab.waiting import until
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged, plugged_in, plugged_in_again, wired

pytestmark = pytest.mark.vm
READY_S = 240
OWN = IPv4Interface("10.55.0.1/28")
HOSTNAME = "pigadget"
DAEMON = "appliance.service"


@pytest.fixture(scope="module")
def gadget(gadget_image: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugged]:
    with plugged_in(gadget_image, tools, tmp_path_factory.mktemp("gadget"), wired()) as plugged:
        yield plugged


def test_ready(gadget: Plugged) -> None:
    on_the_pi.is_ready(gadget.guest, timeout_s=READY_S)


def test_linux_takes_ecm(gadget: Plugged) -> None:
    """By itself, of two configurations."""
    assert gadget.laptop.driver() == DRIVERS["ecm"]


def test_closed(gadget: Plugged) -> None:
    on_the_cable.is_closed_outside(gadget)


@pytest.fixture(scope="module", params=["ecm", "rndis"])
def laptop(gadget: Plugged, request: pytest.FixtureRequest) -> Laptop:
    """The laptop, first with the one function of the cable and then with the other."""
    if gadget.laptop.driver() != DRIVERS[request.param]:
        gadget.laptop.take(request.param)
    return gadget.laptop


def test_addresses(laptop: Laptop) -> None:
    on_the_cable.gives_addresses(laptop, OWN)


def test_routes(laptop: Laptop) -> None:
    on_the_cable.is_the_router(laptop, OWN)


def test_name(laptop: Laptop) -> None:
    on_the_cable.has_its_name(laptop, HOSTNAME, OWN)


def test_dns(laptop: Laptop) -> None:
    on_the_cable.resolves(laptop)


def test_internet(laptop: Laptop) -> None:
    on_the_cable.reaches_the_internet(laptop)


def test_hidden(gadget: Plugged, laptop: Laptop) -> None:
    on_the_cable.hides_the_laptop(gadget, OWN)


def test_cable_of_the_uplink_pulled(gadget: Plugged, laptop: Laptop) -> None:
    took = on_the_cable.withdraws_and_offers_again(laptop, gadget.guest.unplugged())
    print(f"the default routes went after {took:.1f} s")
    on_the_cable.resolves(laptop)
    on_the_cable.reaches_the_internet(laptop)


def test_router_dead(gadget: Plugged, laptop: Laptop) -> None:
    """Its carrier stays: nobody tells the Pi."""
    took = on_the_cable.withdraws_and_offers_again(laptop, gadget.home.router_dead())
    print(f"the default routes went after {took:.1f} s")
    on_the_cable.reaches_the_internet(laptop)


def test_share_local(gadget: Plugged, laptop: Laptop) -> None:
    """And back again, without a reboot."""
    gadget.guest.write(on_the_pi.CONFIG, wired().replace("share: route", "share: local"))
    until(lambda: not laptop.has_default_routes(), "the laptop has no route via the Pi", timeout_s=30)
    on_the_cable.offers_nothing(laptop, OWN)
    gadget.guest.write(on_the_pi.CONFIG, wired())
    on_the_cable.is_the_router(laptop, OWN)
    on_the_cable.reaches_the_internet(laptop)


@pytest.fixture(scope="module")
def again(gadget: Plugged) -> Iterator[Plugged]:
    """The same card once more, with no daemon: whatever is there comes from the files of last time."""
    on_the_pi.is_ready(gadget.guest, timeout_s=READY_S)
    gadget.laptop.lease(timeout_s=60)
    with plugged_in_again(gadget, parameters=[f"systemd.mask={DAEMON}"]) as plugged:
        yield plugged


class TestSecondBoot:
    """These come last: the first boot is over."""

    def test_nothing_waits_for_the_daemon(self, again: Plugged) -> None:
        """But for a way out: only the daemon knows whether there is one, and the laptop keeps its own until then."""
        on_the_cable.gives_addresses(again.laptop, OWN)
        on_the_cable.offers_nothing(again.laptop, OWN)
        on_the_cable.has_its_name(again.laptop, HOSTNAME, OWN)
        assert again.guest.ask(["systemctl", "is-active", DAEMON]).output.strip() == "inactive"
        on_the_cable.hides_the_laptop(again, OWN)

    def test_checks_fail_without_the_firewall(self, again: Plugged) -> None:
        """Which nobody puts back meanwhile."""
        on_the_pi.open_the_firewall(again.guest)
        with pytest.raises(AssertionError):
            on_the_cable.hides_the_laptop(again, OWN)
        with pytest.raises(AssertionError):
            on_the_cable.is_closed_outside(again)

    def test_the_daemon_leaves_it_alone(self, again: Plugged) -> None:
        """Once it comes: the laptop sees no device go and come."""
        seen = times_connected(again)
        again.guest.run("find", "/run/systemd", "-name", DAEMON, "-type", "l", "-delete")
        again.guest.run("systemctl", "daemon-reload")
        again.guest.run("systemctl", "start", DAEMON, timeout_s=120)
        on_the_pi.is_ready(again.guest, timeout_s=READY_S)
        assert times_connected(again) == seen == 1
        on_the_cable.is_closed_outside(again)
        on_the_cable.hides_the_laptop(again, OWN)
        on_the_cable.is_the_router(again.laptop, OWN)
        on_the_cable.reaches_the_internet(again.laptop)


def times_connected(plugged: Plugged) -> int:
    """How often the laptop's kernel has found the device, in this boot."""
    said = plugged.guest.run("journalctl", "--dmesg", "--boot", "--no-pager", "--output=cat")
    return said.count("usb 1-1: New USB device found")
