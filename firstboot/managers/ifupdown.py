"""ifupdown: one file beside /etc/network/interfaces, and a line in the stanzas that are there already (interfaces(5)).

A second stanza for an interface would start a second DHCP client. So where somebody (Debian's installer) has written
one, the daemon owns one line in it, the metric, with a mark above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import PermanentError
from firstboot.actions import Action, RestartUnit
from firstboot.facts import Facts
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
MARK = "# The next line is the appliance's, as appliance.yaml has it."

_STANZA = re.compile(r"\s*iface\s+(\S+)\s+inet\s+(\w+)")
_METRIC = re.compile(r"\s*metric\s+(\d+)\s*$")
_BEGINNING = re.compile(r"\s*(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|rename|template|source\S*)\s")
_WITH_METRIC = ("dhcp", "static")
"""The methods that know a metric (interfaces(5))."""


@dataclass(frozen=True)
class _Stanza:
    """What a file says about an interface's IPv4: the number of its first line, and the metric's, if that is theirs."""

    interface: str
    method: str
    line: int
    metric: int | None


def configures(uplink: Ranked, facts: Facts) -> bool:
    """One with DHCP, or one that somebody's stanza is about."""
    return uplink.dhcp or uplink.interface in _theirs(facts)


def files(uplinks: Sequence[Ranked], facts: Facts) -> Iterator[tuple[File, Sequence[Ranked]]]:
    """The metric's line in each stanza that somebody else wrote; a stanza for each of the other uplinks, to be set up
    when it is there, so that none is waited for at boot. Raises `PermanentError` where the two cannot both be done.
    """
    for path, content in facts.interfaces_files.items():
        means = [uplink for uplink in uplinks if uplink.interface in _told_of(content)]
        if means or MARK in content:
            yield _amended(path, content, means), means
    if own := [uplink for uplink in uplinks if uplink.dhcp and uplink.interface not in _theirs(facts)]:
        yield text(FILE, render("interfaces.j2", uplinks=tuple(own))), own


def restored(facts: Facts) -> Iterator[File]:
    """The files of others that have lines of ours, without them."""
    yield from (_amended(path, content, ()) for path, content in facts.interfaces_files.items() if MARK in content)


def marked(content: str) -> Iterator[str]:
    """The interfaces in whose stanzas there is a line of ours."""
    lines = content.splitlines()
    yield from (
        stanza.interface for stanza in _stanzas(lines) if MARK in "".join(lines[stanza.line + 1 : stanza.line + 2])
    )


def read(wrong: Sequence[Ranked]) -> Sequence[Action]:
    """It reads its files whenever it does something."""
    return [action for uplink in wrong for action in apply(uplink)]


def apply(uplink: Ranked) -> Sequence[Action]:
    """Take the interface down and up again."""
    return [_set_up(uplink.interface)]


def withdraw(path: Path, facts: Facts) -> Sequence[Action]:
    """Nothing: ifupdown cannot take down what it is not told of any more. The interface stays until the next boot."""
    return []


def set_up_again(interfaces: Iterable[str], facts: Facts) -> Sequence[Action]:
    """Those that are there, by what the files say now."""
    return [_set_up(interface) for interface in interfaces if interface in facts.links]


def of_others(machine: Machine) -> Mapping[str, str]:
    """By path, the files that ifupdown reads and that are not ours."""
    paths = (MAIN, *(path for path in machine.glob(FOLDER / "*") if path != FILE))
    states = ((path, machine.read(path)) for path in paths)
    return {str(path): state.content.decode(errors="surrogateescape") for path, state in states if state is not None}


def stanzas(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """What others' files say about IPv4: (file, interface, method)."""
    for path, content in facts.interfaces_files.items():
        yield from ((path, stanza.interface, stanza.method) for stanza in _stanzas(content.splitlines()))


def _theirs(facts: Facts) -> set[str]:
    return {name for content in facts.interfaces_files.values() for name in _told_of(content)}


def _told_of(content: str) -> set[str]:
    return {stanza.interface for stanza in _stanzas(content.splitlines())}


def _set_up(interface: str) -> Action:
    escaped = interface.replace("-", r"\x2d")  # systemd.unit(5)
    return RestartUnit(f"appliance-ifup@{escaped}.service")


def _amended(path: str, content: str, uplinks: Sequence[Ranked]) -> File:
    """Without the lines that were ours, and with those that are. The mode stays as it is."""
    lines = _without_ours(content.splitlines(keepends=True))
    wanted = {uplink.interface: uplink for uplink in uplinks}
    for stanza in reversed(_stanzas(lines)):
        if (uplink := wanted.get(stanza.interface)) is not None and _needs_line(stanza, uplink, path):
            lines[stanza.line + 1 : stanza.line + 1] = [f"    {MARK}\n", f"    metric {uplink.metric}\n"]
    return File(Path(path), "".join(lines).encode(errors="surrogateescape"), None)


def _needs_line(stanza: _Stanza, uplink: Ranked, path: str) -> bool:
    """Raises `PermanentError` where the stanza says something else."""
    if uplink.dhcp != (stanza.method == "dhcp"):
        ours = "by DHCP" if uplink.dhcp else "without DHCP"
        raise PermanentError(
            f"{path} configures {stanza.interface} by the method {stanza.method}, and appliance.yaml {ours}",
            hint=f"change uplinks, or take the `iface {stanza.interface}` lines from {path}",
        )
    if stanza.metric not in (None, uplink.metric):
        raise PermanentError(
            f"{path} has the metric {stanza.metric} for {stanza.interface}, and appliance.yaml {uplink.metric}",
            hint=f"take that line from {path}",
        )
    return stanza.method in _WITH_METRIC and stanza.metric is None


def _without_ours(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    ours = False
    for line in lines:
        follows, ours = ours, MARK in line
        if not ours and not (follows and _METRIC.match(line)):
            kept.append(line)
    return kept


def _stanzas(lines: Sequence[str]) -> list[_Stanza]:
    found: list[_Stanza] = []
    for number, line in enumerate(lines):
        if begun := _STANZA.match(line):
            found.append(_Stanza(begun[1], begun[2], number, _metric_in(lines[number + 1 :])))
    return found


def _metric_in(lines: Sequence[str]) -> int | None:
    """The metric that a stanza has, of the lines after its first."""
    for line in lines:
        if _BEGINNING.match(line):
            break
        if given := _METRIC.match(line):
            return int(given[1])
    return None
