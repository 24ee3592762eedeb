"""Interfaces of ours that something else sets up as well: which of the two it is to be, only a person can say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.managers.ifupdown import stanzas
from firstboot.plan import Change
from firstboot.topology import is_static

NETWORKD = Path("/run/systemd/netif/links")
"""A file for each interface that systemd-networkd knows, by its index (sd_network.h)."""

_FILE = re.compile(r"^NETWORK_FILE=(.+)$", re.MULTILINE)
MANUAL, DHCP = "manual", "dhcp"
"""ifupdown's methods (interfaces(5)): by the first it only sets an interface up."""


@dataclass(frozen=True)
class SetUp:
    """An interface, and the file because of which another program sets it up ("": none).

    `fits`: the methods of ifupdown with which it does what we want, or keeps out of it.
    """

    interface: str
    file: str = ""
    fits: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class OtherManagers(Kind[SetUp]):
    """ifupdown and systemd-networkd. NetworkManager is told, and heeds what ifupdown has."""

    name = "other-managers"
    title = "interfaces that others set up"
    setting = "uplink.interface"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[SetUp]:
        """Nobody else sets up the uplink, but for ifupdown with DHCP where that is wanted, nor the LAN."""
        return tuple({wanted.interface: wanted for wanted in _wanted(appliance)}.values())

    def observe(self, machine: Machine, wanted: Sequence[SetUp]) -> Sequence[SetUp]:
        """Who else does."""
        return [SetUp(want.interface, _file(want, machine), want.fits) for want in wanted]

    def actions(self, change: Change[SetUp]) -> Sequence[Action]:
        """Nothing: it is somebody's own file."""
        return []

    def explain(self, change: Change[SetUp]) -> ApplianceError | None:
        """Which file it is."""
        if change.have is None:
            return None
        return TemporaryError(
            f"{change.have.interface} is set up because of {change.have.file} as well",
            hint="take the interface out of that file, and restart the machine",
        )


def _wanted(appliance: Appliance) -> Iterator[SetUp]:
    """The uplink last, as it may be the LAN's interface, too."""
    for network in appliance.lan.networks if appliance.lan is not None else ():
        yield SetUp(network.interface, fits=(MANUAL,))
    uplink = appliance.uplink
    if uplink is not None:
        by_dhcp = () if uplink.wifi is not None else (DHCP,)  # NetworkManager is to join networks
        yield SetUp(uplink.interface, fits=(MANUAL,) if is_static(uplink) else by_dhcp)


def _file(want: SetUp, machine: Machine) -> str:
    facts = machine.facts()
    for path, interface, method in stanzas(facts):
        if interface == want.interface and method not in want.fits:
            return path
    link = facts.links.get(want.interface)
    state = machine.read(NETWORKD / str(link.index)) if link is not None else None
    found = _FILE.search(state.content.decode(errors="replace")) if state is not None else None
    return found[1] if found is not None else ""
