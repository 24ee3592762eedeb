"""The very image boots with a USB device controller, and a laptop is at the other end of the cable."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from image.lab.laptop import DRIVERS, Laptop
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import Plugged, plugged_in, wired

pytestmark = pytest.mark.vm
READY_S = 240
OWN = IPv4Interface("10.55.0.1/28")
HOSTNAME = "pigadget"


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
