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


def configures(uplink: Ranked, facts: Facts) -> bool:
    """One with DHCP, by a file of its own."""
    return uplink.dhcp


def files(uplinks: Sequence[Ranked], facts: Facts) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """One for each."""
    return [(_file(uplink), (uplink,)) for uplink in uplinks if configures(uplink, facts)]


def read(wrong: Sequence[Ranked]) -> Sequence[Action]:
    """It sets up by itself those links whose file is another."""
    return [ReloadNetworkd()]


def apply(uplink: Ranked) -> Sequence[Action]:
    """Have the link set up by its file."""
    return [ReconfigureLink(uplink.interface)]


def withdraw(path: Path, facts: Facts) -> Sequence[Action]:
    """As the next file that matches has it."""
    return [ReloadNetworkd()]


def _file(uplink: Ranked) -> File:
    return text(FOLDER / f"{PREFIX}{uplink.interface}.network", render("uplink.network.j2", uplink=uplink))
