"""ifupdown: one file beside /etc/network/interfaces (interfaces(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from firstboot.actions import Action, RestartUnit
from firstboot.kind import Machine
from firstboot.managers.ranked import Ranked
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text

NAME = "ifupdown"
PROGRAM = "/usr/sbin/ifup"
FOLDER = ETC / "network" / "interfaces.d"
FILE = FOLDER / "appliance"
OWNED = (FILE,)
MAIN = ETC / "network" / "interfaces"

_STANZA = re.compile(r"^\s*iface\s+(\S+)\s+inet\s", re.MULTILINE)


def files(uplinks: Sequence[Ranked]) -> Sequence[tuple[File, Sequence[Ranked]]]:
    """All uplinks, each to be set up when it is there, so that none is waited for at boot."""
    return [(text(FILE, render("interfaces.j2", uplinks=uplinks)), uplinks)] if uplinks else []


def apply(uplink: Ranked) -> Sequence[Action]:
    """Debian's unit takes the interface down and up again."""
    return [RestartUnit(f"ifup@{uplink.interface}.service")]


def stanzas(machine: Machine) -> Iterator[tuple[str, str]]:
    """The interfaces that somebody else's files are about, and which file."""
    for path in (MAIN, *machine.glob(FOLDER / "*")):
        found = machine.read(path) if path != FILE else None
        if found is not None:
            yield from ((name, str(path)) for name in _STANZA.findall(found.content.decode(errors="replace")))
