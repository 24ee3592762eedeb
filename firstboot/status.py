"""What is told to people and programs: status.json, and appliance-status.txt on the FAT partition. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from appliance.errors import Mark, Problem
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.health.diagnosis import HEALTHY, Diagnosis
from firstboot.picture import TUNNELS, Hop, Station, beyond, drawn, picture
from firstboot.reconcile import Outcome, State
from firstboot.sharing import Mode, Offered
from firstboot.topology import serving


class Overall(StrEnum):
    """The appliance in one word."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    CONFIG_ERROR = "config-error"


class Source(StrEnum):
    """Which configuration is in force."""

    FILE = "appliance.yaml"
    LAST_GOOD = "last good configuration"
    RESCUE = "rescue configuration (DHCP and ssh only)"
    NOTHING = "empty configuration (nothing is done)"


@dataclass(frozen=True)
class Status:
    """Everything that there is to tell. `problems` are those of appliance.yaml as it is now."""

    appliance: Appliance
    source: Source
    outcomes: tuple[Outcome, ...]
    facts: Facts
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    trouble: str = ""
    """Why the configuration could not be read at all."""
    refused: str = ""
    """Why appliance.yaml as it is now was taken back."""
    failure: str = ""
    """Why the pass ended before its end, or what it found cannot be remembered."""
    trial: str = ""
    """What a person should know of the one in force while it is on trial."""
    wifi: str = ""
    """The wireless network that is joined."""
    cable: tuple[Offered, ...] = ()
    """What the networks on the cable are for the laptop."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Where each setting of the configuration in force stands."""
    repairs: tuple[str, ...] = ()
    """What somebody else had changed lately, each with the time and what was done about it."""
    own_name: str = ""
    """The machine's, where it is not appliance.yaml that names it."""

    @property
    def hostname(self) -> str:
        """What the machine is called."""
        return self.own_name or self.appliance.hostname

    @cached_property
    def way(self) -> Sequence[Station]:
        """From whom is served to the Internet."""
        return picture(self.appliance, self.facts, self.hostname)

    @property
    def is_cut_off(self) -> bool:
        """Whether the way from here to the Internet is known to be broken."""
        return any(station.hop is Hop.BROKEN for station in beyond(self.appliance, self.facts))

    @property
    def overall(self) -> Overall:
        """The worst of everything."""
        return Overall.CONFIG_ERROR if self.problems or self.trouble or self.refused else self.machine

    @property
    def machine(self) -> Overall:
        """The worst of what the configuration in force wants."""
        states = {outcome.state for outcome in self.outcomes}
        if self.failure or State.FAILED in states:
            return Overall.FAILED
        return Overall.READY if states <= {State.OK} else Overall.WAITING

    def line_of(self, outcome: Outcome) -> int | None:
        """The line of appliance.yaml that wants what an outcome is about; None where it has none."""
        return line_of(outcome.setting, self.marks) if outcome.error and self.source is Source.FILE else None


def line_of(setting: str, marks: Mapping[str, Mark]) -> int | None:
    """Where a setting stands, or the section that it is in; None where neither is in the file."""
    path = setting
    while path and path not in marks:
        path = path.rpartition(".")[0]
    return marks[path].line if path else None


def to_json(status: Status, *, began_s: float) -> str:
    """The status for programs; stable keys, one object. `began_s`: when the look began, on the monotonic clock."""
    content: Mapping[str, Any] = {
        "state": status.overall,
        "began_s": began_s,
        "hostname": status.hostname,
        "profile": status.appliance.profile,
        "configuration": status.source,
        "problems": [_problem(problem) for problem in status.problems],
        "warnings": [_problem(problem) for problem in status.warnings],
        "trouble": status.trouble,
        "refused": status.refused,
        "failure": status.failure,
        "trial": status.trial,
        "way": [asdict(station) for station in status.way],
        "interfaces": {name: list(addresses) for name, addresses in _addresses(status.facts).items()},
        "wifi": status.wifi,
        "tunnel": _health(status.facts.health_of(0).diagnosis) if status.appliance.tunnel is not None else None,
        "tunnels": list(_tunnels(status)),
        "cable": [asdict(offered) for offered in status.cable],
        "repairs": list(status.repairs),
        "kinds": [{**asdict(outcome), "line": status.line_of(outcome)} for outcome in status.outcomes],
    }
    return json.dumps(content, indent=2) + "\n"


def to_text(status: Status) -> str:
    """The report for a person who has nothing but the card: CRLF, so that Notepad of any age shows lines."""
    parts = [_headline(status), _way(status), _configuration(status), _network(status), _kinds(status)]
    return "\r\n".join(line for part in parts if part for line in ("", *part)).removeprefix("\r\n") + "\r\n"


def to_local_text(status: Status) -> str:
    """The same for whoever is logged in, who is also told what was repaired: the card would be written each time."""
    repairs = ["", "Repaired lately (UTC):", *(f"  {line}" for line in status.repairs)] if status.repairs else []
    return "\n".join([*to_text(status).splitlines(), *repairs]) + "\n"


def to_login_message(status: Status) -> str:
    """The same in five lines at most, for whoever logs in."""
    title, *rest = _headline(status)
    wrong = [outcome for outcome in status.outcomes if outcome.error]
    more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
    told = [f"  {wrong[0].kind}: {wrong[0].error}{more}"] if wrong else []
    return "\n".join([f"{title}: {rest[0]}", *_way(status), *told, _MORE]) + "\n"


_MORE = "More: appliance status, appliance logs, appliance --help"
_HEADLINES = {
    Overall.READY: "UP: everything is as {source} wants it.",
    Overall.WAITING: "NOT UP YET: something is being waited for, see below.",
    Overall.FAILED: "NOT UP: something could not be done, see below.",
}


def _headline(status: Status) -> Sequence[str]:
    lines = [f"{status.hostname} ({status.appliance.profile})"]
    if status.problems:
        lines.append(f"CHECK appliance.yaml: it has mistakes and is not used. In force is the {status.source}.")
    elif status.trouble:
        lines.append(f"CHECK appliance.yaml: {status.trouble}. In force is the {status.source}.")
    elif status.refused:
        lines.append(f"CHECK appliance.yaml: it was tried, and taken back: {status.refused}.")
        lines.append(f"In force is the {status.source}; `sudo appliance apply` tries the other one again.")
    headline = _HEADLINES[status.machine].format(source=f"the {status.source}" if lines[1:] else status.source)
    return [*lines, headline, *([f"  {status.failure}"] if status.failure else [])]


def _way(status: Status) -> Sequence[str]:
    return [f"  {line}" for line in drawn(status.way)]


def _configuration(status: Status) -> list[str]:
    lines = [f"Configuration in force: {status.source}", *([f"  {status.trial}"] if status.trial else [])]
    for label, problems in (("ERROR", status.problems), ("warning", status.warnings)):
        for problem in problems:
            lines.append(f"  {label} line {problem.mark.line}, column {problem.mark.column}: {problem.message}")
            if problem.allowed:
                lines.append(f"    hint: {problem.allowed}")
    return lines


def _network(status: Status) -> list[str]:
    lines = ["Addresses:"]
    addresses = _addresses(status.facts)
    lines += [f"  {name}: {', '.join(found)}" for name, found in addresses.items()]
    joined = [f"Wi-Fi: {status.wifi}"] if status.wifi else []
    cable = [f"Cable {offered.interface}: {offered.mode}, {_meaning(offered)}" for offered in status.cable]
    return [*(lines if addresses else ["Addresses: none"]), *joined, *cable, *_tunnel(status), *_lan(status)]


def _tunnel(status: Status) -> Sequence[str]:
    """What is to be said of those that work. Of one that does not, the part `reach` tells."""
    lines = []
    for rank, name in enumerate(TUNNELS[: len(status.appliance.tunnels)]):
        found = status.facts.health_of(rank).diagnosis
        if found.works and found != HEALTHY:
            lines += [f"{name.capitalize()}: {found.sentence}", f"  hint: {found.hint}"]
    return lines


def _lan(status: Status) -> Sequence[str]:
    """Whether the LAN is offered what the tunnel is for."""
    lan = status.appliance.lan
    if lan is None or status.appliance.tunnel is None or not status.facts.links:
        return []
    way = serving(status.appliance, status.facts)
    if way is None:
        several = len(status.appliance.tunnels) > 1
        offered = f"no IPv6, as {'no tunnel carries' if several else 'the tunnel does not carry'}"
    else:
        offered = f"IPv6 by the fallback, {way.interface}" if way.rank else "IPv6"
    return [f"LAN {lan.interface}: the network is offered {offered}"]


def _meaning(offered: Offered) -> str:
    if offered.mode is Mode.ROUTE:
        families = " and ".join(f"IPv{family}" for family in offered.families)
        return f"the laptop is offered a way out for {families}" if families else "the laptop is offered no way out"
    return "the laptop reaches the Pi alone" if offered.mode is Mode.LOCAL else "the laptop is the Pi's way out"


def _kinds(status: Status) -> list[str]:
    lines = ["Parts:"]
    for outcome in status.outcomes:
        line = status.line_of(outcome)
        where = f" (appliance.yaml line {line})" if line else ""
        lines.append(f"  {outcome.kind}: {outcome.state}" + (f": {outcome.error}{where}" if outcome.error else ""))
        if outcome.hint:
            lines.append(f"    hint: {outcome.hint}")
    return lines


def _addresses(facts: Facts) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for address in facts.addresses:
        if address.interface != "lo":
            found.setdefault(address.interface, []).append(str(address.address))
    return dict(sorted(found.items()))


def _health(found: Diagnosis) -> Mapping[str, Any]:
    return {"fault": found.fault, "works": found.works, "sentence": found.sentence, "hint": found.hint}


def _tunnels(status: Status) -> Iterator[Mapping[str, Any]]:
    """Each, the preferred one first. `serves`: it is by this one that networks have IPv6."""
    way = serving(status.appliance, status.facts)
    for rank, tunnel in enumerate(status.appliance.tunnels):
        serves = way is not None and way.rank == rank
        yield {
            "interface": tunnel.interface, "serves": serves, **_health(status.facts.health_of(rank).diagnosis),
        }  # fmt: skip


def _problem(problem: Problem) -> Mapping[str, Any]:
    return {
        "line": problem.mark.line,
        "column": problem.mark.column,
        "message": problem.message,
        "allowed": problem.allowed,
    }
