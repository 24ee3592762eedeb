"""Images that run in QEMU, ready, and what is taken away inside of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.model import Profile
from appliance.starting import starting_config
from image.build import build
from image.cache.store import Store
from image.cli.build import default_cache
from image.events import Events
from image.lab.guest import Guest
from image.lab.machine import VIRT
from image.lab.tools import tools_drive
from image.recipe import Recipe
from tests.vm import on_the_pi
from tests.vm.conftest import EXAMPLE, booting
from tests.vm.gadgets import plugged_in, wired

READY_S = 400.0
NEVER_GIVE_WAY = """\
set -e
cd /usr/lib/appliance/firstboot
echo 'Limits.pace_s = lambda *_: None' >>contests.py
rm __pycache__/contests.*
systemctl restart appliance"""
"""The compiled one is believed whatever the text says."""

PROGRAM = Path(__file__).with_name("taking.py")


@dataclass(frozen=True)
class Taken:
    """How many seconds it took each time until it was right again, and how often it was not."""

    seconds: Sequence[float]
    lost: int


@contextmanager
def gateway(folder: Path) -> Iterator[Guest]:
    """The gateway with the example's settings, in its lab, while the block runs; `folder` is empty."""
    with booting(_image(folder, Profile.GATEWAY), folder, VIRT, EXAMPLE.read_text()) as booted:
        on_the_pi.is_ready(booted.guest, timeout_s=READY_S)
        _never_give_way(booted.guest)
        yield booted.guest


@contextmanager
def gadget(folder: Path) -> Iterator[Guest]:
    """The gadget with the example's settings and an uplink on a wire, plugged into a laptop, while the block runs."""
    tools = tools_drive(Store(default_cache()), Events(sys.stderr))
    with plugged_in(_image(folder, Profile.GADGET), tools, folder, wired()) as plugged:
        on_the_pi.is_ready(plugged.guest, timeout_s=READY_S)
        plugged.laptop.lease(timeout_s=READY_S)
        _never_give_way(plugged.guest)
        yield plugged.guest


def _never_give_way(guest: Guest) -> None:
    """One thing taken away again and again is a contest (`firstboot.contests`), which is not what is measured."""
    guest.run("sh", "-c", NEVER_GIVE_WAY, timeout_s=READY_S)


def _image(folder: Path, profile: Profile) -> Path:
    recipe = Recipe(
        profile=profile.value, config=starting_config(profile, {}).encode(), output=folder, formats=("img",)
    )
    build(recipe, Store(default_cache()), Events(sys.stderr))
    return recipe.image


def take_away(
    guest: Guest,
    what: str,
    awaited: Mapping[str, Sequence[str] | str],
    *,
    rounds: int,
    patience_s: float,
    spacing_s: float,
    tries: int,
    again: Callable[[], object] = lambda: None,
) -> Taken:
    """Take it away in the guest, so many `rounds`, and wait for what is `awaited`; both as `taking` has them.

    After each time that it did not come back, `again` is to bring it; after so many `tries` there are no more rounds.
    """
    seconds, lost = list[float](), 0
    while (left := rounds - len(seconds) - lost) > 0 and lost < tries:
        job = {**awaited, "take": what, "rounds": left, "patience_s": patience_s, "spacing_s": spacing_s}
        longest_s = 60 + left * (patience_s + spacing_s + 1)
        answer = guest.ask(["python3", "-", json.dumps(job)], stdin=PROGRAM.read_text(), timeout_s=longest_s)
        if answer.code != 0:
            raise RuntimeError(f"{what}: {answer.output}")
        found = json.loads(answer.output)
        if "before" in found:
            raise RuntimeError(f"before {what} is taken away, there is no {found['before']}")
        seconds += found["seconds"]
        if "missing" in found:
            lost += 1
            again()
    return Taken(seconds, lost)
