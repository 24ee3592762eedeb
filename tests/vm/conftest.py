from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance import parse
from appliance.model import Appliance
from image.lab.card import Card, insert
from image.lab.gateway import Lab, gateway_lab
from image.lab.guest import Guest
from image.lab.machine import Machine
from image.lab.qemu import booted
from tests.lab import checks
from tests.vm.gadgets import Plugged, plugged_in, wired
from tests.vm.knocking import FIRST, knocking, until_ready

EXAMPLE = Path(__file__).parents[1] / "appliance" / "examples" / "gateway.yaml"


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
    card = insert(image, folder / "card.img")
    try:
        card.put("appliance.yaml", config)
        with gateway_lab(appliance, folder / "logs") as lab:
            power = booted(lab, card, machine)
            if knocked:
                power = until_ready(knocking(lab, checks.give_web_host_its_address(lab), FIRST), power)
            with power as guest:
                yield Booted(lab, guest, appliance, config)
    finally:
        card.path.unlink()  # gigabytes; the logs stay


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
