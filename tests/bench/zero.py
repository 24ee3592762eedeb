"""The Zero, played by QEMU's `raspi0` (ARMv6, one core): what it has of the daemon, and of the early unit."""

from __future__ import annotations

import sys
from pathlib import Path

from image.build import build
from image.cli.build import default_cache
from image.events import Events
from image.lab.card import insert
from image.lab.home import home_lab
from image.lab.qemu import booted
from image.recipe import Recipe
from image.store import Store
from tests.bench import daemon, early_unit
from tests.bench.shown import figure, heading
from tests.vm.test_zero import CONFIG, PARAMETERS, READY_S, ZERO


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    recipe = Recipe(profile="gadget", board="zero", config=CONFIG.encode(), output=folder)
    build(recipe, Store(default_cache()), Events(sys.stderr))
    card = insert(recipe.image, folder / "card.img")
    with home_lab(folder / "logs") as lab, booted(lab, card, ZERO, parameters=PARAMETERS) as guest:
        heading("Zero, first boot in QEMU (raspi0)")
        figure("verdict", guest.verdict(timeout_s=READY_S).verdict)
        daemon.measure(guest)
        early_unit.measure(guest)
