"""The home's router lends the Pi an IPv6 prefix, beside all that NetworkManager does on the same uplink."""

from __future__ import annotations

import time
from ipaddress import IPv6Address, IPv6Network

import pytest

from image.lab.laptop import Laptop
from image.lab.waiting import until
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged

pytestmark = pytest.mark.vm


def test_the_laptop_has_an_address_that_the_internet_knows(gadget: Plugged) -> None:
    """Nobody translates it: a server sees it, and still nobody outside gets to the laptop."""
    on_the_pi.is_ready(gadget.guest, timeout_s=on_the_pi.READY_S)
    laptop = gadget.laptop
    with gadget.home.lending(on_the_pi.link_local(gadget.guest, "eth0")) as lent:
        with gadget.guest.unplugged():  # who was refused before asks again when the cable is back
            time.sleep(3)
        until(lambda: int(address_in(laptop, lent)), "the laptop has a lent address", timeout_s=on_the_pi.READY_S)
        until(lambda: laptop.has_default_routes() == {4, 6}, "the laptop has its routes", timeout_s=on_the_pi.READY_S)
        on_the_cable.reaches_the_internet(laptop)
        assert str(address_in(laptop, lent)) in (gadget.home.world.logs / "web-server.log").read_text()
        assert gadget.home.internet.knock(address_in(laptop, lent), 22) == on_the_cable.CLOSED


def address_in(laptop: Laptop, prefix: IPv6Network) -> IPv6Address:
    """The laptop's, of that prefix; `::` if it has none."""
    return next((address.ip for address in laptop.ipv6() if address.ip in prefix), IPv6Address(0))
