"""The Zero, played by QEMU's `raspi0` (ARMv6, one core): what it has of the daemon, and of the early unit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstboot.cable import BRIDGE
from image.build import build
from image.cache.store import Store
from image.cli.build import default_cache
from image.events import Events
from image.lab.card import insert
from image.lab.guest import Guest
from image.lab.home import home_lab
from image.lab.qemu import booted
from image.recipe import Recipe
from tests.bench import daemon, early_unit
from tests.bench.shown import figure, heading
from tests.vm.test_zero import CONFIG, PARAMETERS, READY_S, ZERO


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    recipe = Recipe(profile="gadget", board="zero", config=CONFIG.encode(), output=folder, formats=("img",))
    build(recipe, Store(default_cache()), Events(sys.stderr))
    card = insert(recipe.image, folder / "card.img")
    with home_lab(folder / "logs") as lab, booted(lab, card, ZERO, parameters=PARAMETERS) as guest:
        heading("Zero, first boot in QEMU (raspi0)")
        figure("verdict", guest.verdict(timeout_s=READY_S).verdict)
        daemon.measure(guest)
        with _somebody_on_the_cable(guest):
            daemon.idle(guest, ", somebody on the cable")
        early_unit.measure(guest)


@contextmanager
def _somebody_on_the_cable(guest: Guest) -> Iterator[None]:
    """The cable's bridge has a carrier, so the daemon asks the uplink's routers all the time while the block runs."""
    guest.run("ip", "link", "add", "somebody", "type", "dummy")
    guest.run("ip", "link", "set", "somebody", "master", BRIDGE, "up")
    yield
    guest.run("ip", "link", "del", "somebody")
