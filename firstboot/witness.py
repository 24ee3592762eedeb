"""Watching what a kind looks at: so nobody has to say, and nobody can forget to say, what it depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from firstboot.broker.description import KnownDescription
from firstboot.broker.memory import KnownRecord
from firstboot.facts import Facts
from firstboot.kind import FileState, Gadget, Machine, Reaction
from firstboot.rulesets import Ruleset
from firstboot.sources import FIREWALL, NOTHING, Source
from firstboot.wireless import Heard, Joining, Radio

_FIELDS = frozenset(field.name for field in fields(Facts))


class WatchedFacts(Facts):
    """Facts that note which of them are asked for."""

    asked: set[str] = set()  # noqa: RUF012 (nobody's: of a copy, all has been asked for when it was made)

    def __getattribute__(self, name: str) -> Any:
        if name in _FIELDS:
            super().__getattribute__("asked").add(name)
        return super().__getattribute__(name)


def watched(facts: Facts, asked: set[str]) -> WatchedFacts:
    """The same facts; the names of those that are asked for are put into `asked`."""
    made = WatchedFacts.__new__(WatchedFacts)
    for name in _FIELDS:
        object.__setattr__(made, name, getattr(facts, name))
    object.__setattr__(made, "asked", asked)
    return made


class Witness:
    """A machine that notes what is looked at: which facts, and which other places."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.asked: set[str] = set()
        self.sources = NOTHING

    def facts(self) -> Facts:
        """The facts, watched."""
        return watched(self._machine.facts(), self.asked)

    def sysctl(self, name: str) -> str | None:
        """A kernel setting's value."""
        self.sources |= Source.SETTINGS
        return self._machine.sysctl(name)

    def read(self, path: Path) -> FileState | None:
        """A file."""
        self.sources |= Source.FILES
        return self._machine.read(path)

    def glob(self, pattern: Path) -> Sequence[Path]:
        """The files of that name."""
        self.sources |= Source.FILES
        return self._machine.glob(pattern)

    def hostname(self) -> str:
        """The name that the kernel has."""
        self.sources |= Source.SETTINGS
        return self._machine.hostname()

    def rules(self, family: int) -> Ruleset:
        """The firewall's rules."""
        self.sources |= FIREWALL[family]
        return self._machine.rules(family)

    def gadget(self, paths: Collection[str]) -> Gadget | None:
        """The USB gadget."""
        self.sources |= Source.DEVICES
        return self._machine.gadget(paths)

    def controllers(self) -> Sequence[str]:
        """The USB device controllers."""
        self.sources |= Source.DEVICES
        return self._machine.controllers()

    def unit_is_active(self, name: str) -> bool:
        """Whether a systemd unit runs."""
        self.sources |= Source.UNITS
        return self._machine.unit_is_active(name)

    def networkmanager_manages(self, interface: str) -> bool:
        """Whether NetworkManager looks after an interface."""
        self.sources |= Source.UNITS | Source.LINKS
        return self._machine.networkmanager_manages(interface)

    def active_profile(self, interface: str) -> str:
        """The profile by which NetworkManager has connected an interface: it tells by what the network becomes."""
        self.sources |= Source.UNITS | Source.RADIO | Source.LINKS | Source.ADDRESSES
        return self._machine.active_profile(interface)

    def radio(self, interface: str) -> Radio:
        """The switches of a wireless interface."""
        self.sources |= Source.RADIO | Source.DEVICES
        return self._machine.radio(interface)

    def joining(self, interface: str) -> Joining:
        """How joining a wireless network gets on."""
        self.sources |= Source.RADIO
        return self._machine.joining(interface)

    def reactions(self) -> Mapping[str, Reaction]:
        """What was done about interfaces that came and went."""
        self.sources |= Source.REACTIONS
        return self._machine.reactions()

    def broker(self, rank: int) -> KnownRecord:
        """What is known of the broker's record of a tunnel."""
        self.sources |= Source.BROKER
        return self._machine.broker(rank)

    def description(self, rank: int) -> KnownDescription:
        """What is known of what a tunnel is."""
        self.sources |= Source.BROKER
        return self._machine.description(rank)

    def in_range(self, interface: str) -> Sequence[Heard]:
        """The wireless networks that announce themselves."""
        self.sources |= Source.RADIO
        return self._machine.in_range(interface)
