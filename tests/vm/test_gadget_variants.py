"""Other cables than the usual one: without an uplink, another function, separate networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network

import pytest

from appliance.errors import ApplianceError
from firstboot.cable import BRIDGE
from image.lab.laptop import CABLE, DRIVERS, Laptop
from image.lab.waiting import until
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import EXAMPLES, Plugged, wired

pytestmark = pytest.mark.vm
OWN = IPv4Interface("10.55.0.1/28")


@contextmanager
def configured(plugged: Plugged, config: str) -> Iterator[None]:
    """The Pi is as that says while the block runs."""
    plugged.guest.write(on_the_pi.CONFIG, config)
    try:
        yield
    finally:
        plugged.guest.write(on_the_pi.CONFIG, wired())
        laptop = plugged.laptop
        laptop.until(lambda: is_on(laptop, OWN.network), "the laptop is on its usual network", timeout_s=120)
        laptop.until(lambda: laptop.has_default_routes() == {4, 6}, "and has its way out", timeout_s=120)


def own_on(plugged: Plugged, interface: str) -> IPv4Interface | None:
    """The Pi's address there."""
    words = plugged.guest.ask(["ip", "-4", "-o", "address", "show", "dev", interface]).output.split()
    return IPv4Interface(words[words.index("inet") + 1]) if "inet" in words else None


def test_without_an_uplink(gadget: Plugged) -> None:
    """The example as it stands: its network is the Pi's own choice."""
    with configured(gadget, (EXAMPLES / "gadget-offline.yaml").read_text()):
        until(lambda: own_on(gadget, BRIDGE) not in (OWN, None), "the Pi is on another network", timeout_s=120)
        on_the_pi.reaches_state(gadget.guest, "ready", timeout_s=on_the_pi.READY_S)
        own, laptop = own_on(gadget, BRIDGE), gadget.laptop
        assert own is not None and own.network.prefixlen == 28
        laptop.until(lambda: is_on(laptop, own.network), "the laptop is on that network", timeout_s=120)
        on_the_cable.offers_nothing(gadget.laptop, own)
        on_the_cable.has_its_name(gadget.laptop, gadget.guest.run("hostname").strip(), own)


def is_on(laptop: Laptop, network: IPv4Network) -> bool:
    found = laptop.ipv4()
    return found is not None and found.network == network


def test_ncm(gadget: Plugged) -> None:
    with configured(gadget, wired().replace("[ecm, rndis]", "[ncm]")):
        until(lambda: driver(gadget) == DRIVERS["ncm"], "the laptop has NCM's adapter", timeout_s=60)
        on_the_cable.is_the_router(gadget.laptop, OWN)
        on_the_cable.reaches_the_internet(gadget.laptop)


def driver(plugged: Plugged) -> str:
    """That of the adapter; "" while there is none."""
    try:
        return plugged.laptop.driver()
    except (TimeoutError, ApplianceError):
        return ""


def test_separate_networks(gadget: Plugged) -> None:
    """Half of the network each: the laptop is on that of the function that it took."""
    with configured(gadget, wired().replace("gadget:\n", "gadget:\n  interfaces: separate\n")):
        until(lambda: gadget.guest.ask(["ip", "link", "show", BRIDGE]).code, "there is no bridge", timeout_s=60)
        own = until(lambda: own_on(gadget, "usb0"), "the Pi has an address there", timeout_s=60)
        assert own == IPv4Interface("10.55.0.1/29")
        laptop = gadget.laptop
        laptop.until(lambda: is_on(laptop, own.network), "the laptop is on that half", timeout_s=120)
        laptop.until(lambda: laptop.has_default_routes() == {4, 6}, "the laptop has its routes", timeout_s=120)
        assert gadget.laptop.reaches(f"{on_the_cable.LINK_LOCAL}%{CABLE}")
        on_the_cable.reaches_the_internet(gadget.laptop)
