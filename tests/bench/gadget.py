"""The gadget: from power-on to the laptop's lease, and what goes through the cable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from appliance.model import Profile
from appliance.starting import starting_config
from image.build import build
from image.cli.build import default_cache
from image.events import Events
from image.lab.guest import Guest
from image.lab.laptop import CABLE, Laptop
from image.lab.tools import tools_drive
from image.recipe import Recipe
from image.store import Store
from tests.bench import daemon, early_unit, throughput
from tests.bench.shown import figure, heading
from tests.vm.gadgets import plugged_in, plugged_in_again, wired

READY_S = 400.0
UNITS = (
    "lab.service",
    "systemd-modules-load.service",
    "systemd-udevd.service",
    "appliance-gadget.service",
    "ufw.service",
    "appliance-dnsmasq.service",
    "NetworkManager.service",
    "appliance.service",
)
"""What may have a part in it; `lab.service` makes the laptop, and is no part of the image."""

LEASED = f"""
from pyroute2 import IPRoute
found = [a for a in IPRoute().get_addr(family=2) if a.get_attr("IFA_LABEL") == {CABLE!r}]
print(found[0].get_attr("IFA_CACHEINFO")["cstamp"] / 100)
"""
"""Seconds from the kernel's start to when the address was made (struct ifa_cacheinfo in linux/if_addr.h)."""


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    store, events = Store(default_cache()), Events(sys.stderr)
    recipe = Recipe(profile="gadget", config=starting_config(Profile.GADGET, {}).encode(), output=folder)
    build(recipe, store, events)
    with plugged_in(recipe.image, tools_drive(store, events), folder, wired()) as first:
        heading("gadget, first boot in QEMU (virt, 2 emulated cores)")
        figure("verdict", first.guest.verdict(timeout_s=READY_S).verdict)
        first.laptop.lease(timeout_s=READY_S)
        with plugged_in_again(first) as second:
            _boot(second.laptop)
            daemon.measure(second.guest)
            throughput.measure(second)
            early_unit.measure(second.guest)


def _boot(laptop: Laptop) -> None:
    heading("gadget, second boot, seconds since the kernel started")
    laptop.lease(timeout_s=READY_S)
    verdict = laptop.guest.verdict(timeout_s=READY_S)
    leased = laptop.guest.run(*laptop.in_network, "python3", "-c", LEASED)
    figure("the laptop has its DHCP lease", f"{float(leased):.1f} s")
    for unit, began_s, ended_s in _units(laptop.guest):
        figure(f"  {unit}", f"{began_s:.1f} s to {ended_s:.1f} s")
    figure("verdict", verdict.verdict)


def _units(guest: Guest) -> Iterator[tuple[str, float, float]]:
    """When each began to start, and when it had; in the order of the latter."""
    began, ended = "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"
    rows = []
    for unit in UNITS:
        lines = guest.run("systemctl", "show", unit, f"--property={began},{ended}").splitlines()
        times = {name: int(at_us) / 1e6 for name, _, at_us in (line.partition("=") for line in lines)}
        rows.append((unit, times[began], times[ended]))
    yield from sorted(rows, key=lambda row: row[2])
