"""NetworkManager: a profile for each uplink (nm-settings-keyfile(5))."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from firstboot.actions import Action, ActivateProfile, ReloadNetworkManager
from firstboot.facts import Facts
from firstboot.managers.ranked import Ranked
from firstboot.render import render
from firstboot.rendered.file import File, text
from firstboot.rendered.networkmanager import HIGHEST_PRIORITY, PROFILES

NAME = "networkmanager"
OWNED = (PROFILES / "appliance-ranked-*.nmconnection",)


def configures(uplink: Ranked, facts: Facts) -> bool:
    """One with DHCP, by a file of its own."""
    return uplink.dhcp


def files(uplinks: Sequence[Ranked], facts: Facts) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """One for each; NetworkManager reads none that others may read."""
    return [(_profile(uplink), (uplink,)) for uplink in uplinks if configures(uplink, facts)]


def read(wrong: Sequence[Ranked]) -> Sequence[Action]:
    """It connects by another profile only where nobody does, or when it is told to."""
    return [ReloadNetworkManager(), *(action for uplink in wrong for action in apply(uplink))]


def apply(uplink: Ranked) -> Sequence[Action]:
    """Connect by its profile."""
    return [ActivateProfile(_uuid(uplink), uplink.interface)]


def withdraw(path: Path, facts: Facts) -> Sequence[Action]:
    """It looks for another profile for the interface by itself."""
    return [ReloadNetworkManager()]


def _profile(uplink: Ranked) -> File:
    content = render("ranked.nmconnection.j2", uplink=uplink, uuid=_uuid(uplink), priority=HIGHEST_PRIORITY)
    return text(PROFILES / f"appliance-ranked-{uplink.interface}.nmconnection", content, 0o600)


def _uuid(uplink: Ranked) -> str:
    return str(uuid5(NAMESPACE_DNS, f"appliance-ranked-{uplink.interface}"))
