"""systemd-networkd: a .network file for each uplink (systemd.network(5)).

The files are read in the order of their names, and the first that matches an interface is the only one for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firstboot.actions import Action, ReconfigureLink, ReloadNetworkd
from firstboot.facts import Facts
from firstboot.managers.ranked import Ranked
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text

NAME = "networkd"
UNIT = "systemd-networkd.service"
FOLDER = ETC / "systemd" / "network"
PREFIX = "05-appliance-"
OWNED = (FOLDER / f"{PREFIX}*.network",)
READ: Sequence[Action] = (ReloadNetworkd(),)


def files(uplinks: Sequence[Ranked], facts: Facts) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """One for each."""
    return [(_file(uplink), (uplink,)) for uplink in uplinks]


def apply(uplink: Ranked) -> Sequence[Action]:
    """Have the link set up by its file."""
    return [*READ, ReconfigureLink(uplink.interface)]


def withdraw(path: Path, facts: Facts) -> Sequence[Action]:
    """As the next file that matches has it."""
    interface = path.stem.removeprefix(PREFIX)
    return [*READ, *([ReconfigureLink(interface)] if interface in facts.links else [])]


def _file(uplink: Ranked) -> File:
    return text(FOLDER / f"{PREFIX}{uplink.interface}.network", render("uplink.network.j2", uplink=uplink))
