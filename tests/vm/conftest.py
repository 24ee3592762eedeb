from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance import parse
from appliance.model import Appliance
from image.lab.card import Card, inserted
from image.lab.gateway import Lab, gateway_lab
from image.lab.guest import Guest
from image.lab.machine import Machine
from image.lab.qemu import booted
from tests.lab import checks
from tests.vm.gadgets import Plugged, plugged_in, wired
from tests.vm.knocking import FIRST, knocking, until_ready

EXAMPLE = Path(__file__).parents[1] / "appliance" / "examples" / "gateway.yaml"
LAN_ADDRESS = IPv4Address("192.168.2.1")
_TWO_ARMED = {
    "lan:\n  interface: eth0\n": f"lan:\n  interface: eth1\n  address: {LAN_ADDRESS}/24\n",
    "192.168.1.10-192.168.1.210": "192.168.2.10-192.168.2.210",
}


def two_armed() -> str:
    """The example, with the LAN on a second network card: the Pi is `LAN_ADDRESS` there."""
    config = EXAMPLE.read_text()
    for old, new in _TWO_ARMED.items():
        assert old in config
        config = config.replace(old, new)
    return config


@dataclass(frozen=True)
class Booted:
    """A lab in which the image runs."""

    lab: Lab
    guest: Guest
    appliance: Appliance
    config: str


@contextmanager
def booting(
    image: Path, folder: Path, machine: Machine, config: str, *, around: str = "", knocked: bool = False
) -> Iterator[Booted]:
    """Flash a card with the image, edit one file, plug in. The lab is laid for `around`, if not for `config`.

    `knocked`: strangers do, from before it has power until it is ready (`knocking.FIRST`), which is waited for.
    """
    appliance = parse.parse_text((around or config).encode(), "appliance.yaml").appliance
    with inserted(image, folder, config) as card, gateway_lab(appliance, folder / "logs") as lab:
        power = booted(lab, card, machine)
        if knocked:
            power = until_ready(knocking(lab, checks.give_web_host_its_address(lab), FIRST), power)
        with power as guest:
            yield Booted(lab, guest, appliance, config)


@contextmanager
def booting_again(before: Booted, machine: Machine, *, cut: bool = False) -> Iterator[Booted]:
    """Shut down, or have the power `cut`, and boot the same card again; the lab around it stays."""
    if cut:
        before.guest.cut_power()
    else:
        before.guest.power_off(timeout_s=120)
    with booted(before.lab, Card(before.guest.card), machine, log="console-again") as guest:
        yield replace(before, guest=guest)


@pytest.fixture(scope="session")
def gadget(gadget_image: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugged]:
    """The gadget's first boot, with the example's settings and an uplink on a wire; each test leaves it so.

    It is ready, and until then somebody has knocked.
    """
    with plugged_in(gadget_image, tools, tmp_path_factory.mktemp("gadget"), wired(), knocked=True) as plugged:
        yield plugged
