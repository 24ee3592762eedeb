"""netplan: one file, which adds to what others say about the same interfaces (netplan(5))."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.actions import Action, ApplyNetplan
from firstboot.managers.ranked import Ranked
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text

NAME = "netplan"
PROGRAM = "/usr/sbin/netplan"
FOLDER = ETC / "netplan"
FILE = FOLDER / "95-appliance.yaml"
OWNED = (FILE,)


def files(uplinks: Sequence[Ranked]) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """All uplinks; netplan wants its files to be nobody else's to read."""
    return [(text(FILE, render("netplan.yaml.j2", uplinks=uplinks), 0o600), uplinks)] if uplinks else []


def apply(uplink: Ranked) -> Sequence[Action]:
    """It knows no single interface."""
    return [ApplyNetplan()]
