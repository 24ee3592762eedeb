"""netplan: one file beside those of others (netplan(5))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from firstboot.actions import Action, GenerateNetplan, ReconfigureLink, ReloadNetworkd
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.managers.ranked import Ranked
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text

NAME = "netplan"
PROGRAM = "/usr/sbin/netplan"
FOLDER = ETC / "netplan"
FILE = FOLDER / "95-appliance.yaml"
OWNED = (FILE,)
_FOLDERS = (Path("/usr/lib/netplan"), FOLDER, Path("/run/netplan"))
_LEFT_TO_NETWORKMANAGER = re.compile(rb"^ {0,4}renderer:\s*[\"']?NetworkManager", re.MULTILINE)


def in_charge(machine: Machine) -> bool:
    """Whether it is here, told something, and has systemd-networkd do it; else NetworkManager can be told itself."""
    if not Path(PROGRAM).exists():
        return False
    states = [machine.read(path) for folder in _FOLDERS for path in machine.glob(folder / "*.yaml")]
    return bool(states) and not any(state and _LEFT_TO_NETWORKMANAGER.search(state.content) for state in states)


def configures(uplink: Ranked, facts: Facts) -> bool:
    """One with DHCP, by a file of its own."""
    return uplink.dhcp


def files(uplinks: Sequence[Ranked], facts: Facts) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """One for all; netplan wants its files to be nobody else's to read.

    Each is under an id of its own. Under another's it would add to what that says, but of several ids that match an
    interface networkd takes the first by name, so an `all-en` would hide an `enp0s8`.
    """
    ours = [uplink for uplink in uplinks if configures(uplink, facts)]
    return [(text(FILE, render("netplan.yaml.j2", uplinks=tuple(ours)), 0o600), ours)] if ours else []


def read(wrong: Sequence[Ranked]) -> Sequence[Action]:
    """By its own `apply`, every interface would be set up anew, and twice at once: networkd 252 (Debian 12) loses a
    lease that it gets in between, and never notices. networkd alone sets up once, and only what is another.
    """
    return [GenerateNetplan(), ReloadNetworkd()]


def apply(uplink: Ranked) -> Sequence[Action]:
    """By networkd, which is beneath: the others are not interrupted."""
    return [ReconfigureLink(uplink.interface)]


def withdraw(path: Path, facts: Facts) -> Sequence[Action]:
    """As the other files have it."""
    return [GenerateNetplan(), ReloadNetworkd()]
