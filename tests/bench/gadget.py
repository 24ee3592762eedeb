"""The gadget: from power-on to the laptop's lease, and what goes through the cable."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from appliance.model import Profile
from appliance.starting import starting_config
from image.build import build
from image.cache.store import Store
from image.cli.build import default_cache
from image.events import Events
from image.lab.guest import Guest
from image.lab.laptop import DHCP_LOG, Laptop
from image.lab.tools import tools_drive
from image.recipe import Recipe
from tests.bench import daemon, early_unit, throughput
from tests.bench.shown import figure, heading, judged
from tests.vm import on_the_cable
from tests.vm.gadgets import Plugged, plugged_in, plugged_in_again, wired

READY_S = 400.0
WITHDRAWN_S = 5.0
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

STARTING, STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
"""How the journal's catalogue names it (SD_MESSAGE_UNIT_STARTING and …_STARTED in systemd's sd-messages.h)."""


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    store, events = Store(default_cache()), Events(sys.stderr)
    recipe = Recipe(
        profile="gadget", config=starting_config(Profile.GADGET, {}).encode(), output=folder, formats=("img",)
    )
    build(recipe, store, events)
    with plugged_in(recipe.image, tools_drive(store, events), folder, wired()) as first:
        heading("gadget, first boot in QEMU (virt, 2 emulated cores)")
        figure("verdict", first.guest.verdict(timeout_s=READY_S).verdict)
        first.laptop.lease(timeout_s=READY_S)
        with plugged_in_again(first) as second:
            _boot(second.laptop)
            _without_uplink(second)
            daemon.measure(second.guest)
            throughput.measure(second)
            early_unit.measure(second.guest)


def _boot(laptop: Laptop) -> None:
    heading("gadget, second boot, seconds since the kernel started")
    laptop.lease(timeout_s=READY_S)
    verdict = laptop.guest.verdict(timeout_s=READY_S)
    figure("the laptop has its DHCP lease", f"{_leased_s(laptop):.1f} s")
    began, ended = (_first_times(laptop.guest, message) for message in (STARTING, STARTED))
    for unit in sorted((unit for unit in UNITS if unit in ended), key=lambda unit: ended[unit]):
        since = f"{began[unit]:.1f} s to " if unit in began else "until "  # some began before the journal did
        figure(f"  {unit}", f"{since}{ended[unit]:.1f} s")
    figure("verdict", verdict.verdict)


def _without_uplink(plugged: Plugged) -> None:
    """How long the laptop still sends into the cable what the Pi no longer has a way for."""
    heading("gadget, its uplink is gone")
    gone = {"its cable is pulled": plugged.guest.unplugged(), "its router is dead": plugged.home.router_dead()}
    for what, broken in gone.items():
        took_s = on_the_cable.withdraws_and_offers_again(plugged.laptop, "ecm", broken)
        reached = took_s <= WITHDRAWN_S
        judged(f"{what}: the laptop's routes go", f"{took_s:.2f} s", f"{WITHDRAWN_S:g} s", reached=reached)


def _leased_s(laptop: Laptop) -> float:
    """When it first had its address, to the second: later offers of the daemon have it ask again.

    Its DHCP client writes the time of day; what the journal was told then, or next, has the seconds since the start.
    """
    when = laptop.run("sh", "-c", f"date --date=\"$(grep -m 1 leased {DHCP_LOG} | cut -c 1-15)\" '+%F %T'").strip()
    words = ["--boot", "--output=short-monotonic", "--no-pager", "--quiet", f"--since={when}"]
    [first] = re.findall(r"\A\[\s*([\d.]+)\]", laptop.guest.run("journalctl", *words))
    return float(first)


def _first_times(guest: Guest, message: str) -> dict[str, float]:
    """When each unit's first start had this message, in seconds."""
    words = ["--boot", "--output=json", "--output-fields=UNIT", "--no-pager", f"MESSAGE_ID={message}"]
    found: dict[str, float] = {}
    for line in guest.run("journalctl", *words).splitlines():
        entry = json.loads(line)
        found.setdefault(entry["UNIT"], int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6)
    return found
