"""The gadget's second boot, without the daemon: whatever is there comes from the files of last time."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

import pytest

from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged, adapters, plugged_in_again

pytestmark = pytest.mark.vm
OWN = IPv4Interface("10.55.0.1/28")
HOSTNAME = "pigadget"
DAEMON = "appliance.service"


@pytest.fixture(scope="module")
def before(gadget: Plugged) -> dict[str, str]:
    """The addresses that the laptop saw at the first boot, of which this is the end."""
    on_the_pi.is_ready(gadget.guest, timeout_s=on_the_pi.READY_S)
    gadget.laptop.lease(timeout_s=60)
    gadget.guest.run("systemctl", "disable", DAEMON)
    return adapters(gadget)


@pytest.fixture(scope="module")
def again(gadget: Plugged, before: dict[str, str]) -> Iterator[Plugged]:
    """The same card once more."""
    with plugged_in_again(gadget) as plugged:
        yield plugged


def test_nothing_waits_for_the_daemon(again: Plugged) -> None:
    """But for a way out: only the daemon knows whether there is one, and the laptop keeps its own until then."""
    on_the_cable.gives_addresses(again.laptop, OWN)
    on_the_cable.offers_nothing(again.laptop, OWN)
    on_the_cable.has_its_name(again.laptop, HOSTNAME, OWN)
    assert again.guest.ask(["systemctl", "is-active", DAEMON]).output.strip() == "inactive"


def test_the_addresses_are_those_of_the_first_boot(again: Plugged, before: dict[str, str]) -> None:
    assert adapters(again) == before


def test_closed_and_hidden_all_the_same(again: Plugged) -> None:
    on_the_cable.is_closed_outside(again, has_daemon=False)
    on_the_cable.hides_the_laptop(again, OWN)


def test_checks_fail_without_the_firewall(again: Plugged) -> None:
    """Which nobody puts back meanwhile. Nothing is forwarded yet, so that has to be switched on for this."""
    on_the_pi.open_the_firewall(again.guest)
    again.guest.run("sysctl", "-q", "net.ipv4.ip_forward=1")
    with pytest.raises(AssertionError):
        on_the_cable.hides_the_laptop(again, OWN)
    became = on_the_cable.attempts_outside(again, has_daemon=False)
    assert on_the_cable.CLOSED not in became.values(), became


def test_the_daemon_leaves_the_cable_alone(again: Plugged) -> None:
    """Once it comes: the laptop sees no device go and come. Everything else it puts right."""
    seen = times_connected(again)
    again.guest.run("systemctl", "enable", DAEMON)
    again.guest.run("systemctl", "start", DAEMON, timeout_s=on_the_pi.READY_S)
    on_the_pi.is_ready(again.guest, timeout_s=on_the_pi.READY_S)
    assert times_connected(again) == seen == 1
    on_the_cable.is_the_router(again.laptop, OWN)
    on_the_cable.reaches_the_internet(again.laptop)
    on_the_cable.is_closed_outside(again)
    on_the_cable.hides_the_laptop(again, OWN)


def times_connected(plugged: Plugged) -> int:
    """How often the laptop's kernel has found the device, in this boot."""
    said = plugged.guest.run("journalctl", "--dmesg", "--boot", "--no-pager", "--output=cat")
    return said.count("usb 1-1: New USB device found")
