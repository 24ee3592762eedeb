"""How everything is, as the last pass has found it, and the same for programs: status.json. Pure."""

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
from firstboot.health.diagnosis import Diagnosis
from firstboot.picture import Hop, Station, beyond, picture
from firstboot.reconcile import Outcome, State
from firstboot.sharing import Offered
from firstboot.topology import serving


class Overall(StrEnum):
    """The appliance in one word."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    CONFIG_ERROR = "config-error"


class Sign(StrEnum):
    """How it is, at a glance; what is worse comes later."""

    GOOD = "good"
    WAITING = "waiting"
    BROKEN = "broken"


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
    titles: Mapping[str, str] = field(default_factory=dict)
    """What the parts are in plain words, by their names."""
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
    def interfaces(self) -> Mapping[str, Sequence[str]]:
        """The addresses of each that has some."""
        found: dict[str, list[str]] = {}
        for address in self.facts.addresses:
            if address.interface != "lo":
                found.setdefault(address.interface, []).append(str(address.address))
        return dict(sorted(found.items()))

    @property
    def offered6(self) -> str:
        """What of IPv6 those on the LAN are offered, in words; "": nobody has a tunnel for it."""
        if not self.appliance.tunnels:
            return ""
        way = serving(self.appliance, self.facts)
        if way is None:
            several = len(self.appliance.tunnels) > 1
            return f"no IPv6, as {'no tunnel carries' if several else 'the tunnel does not carry'}"
        return f"IPv6 by the fallback, {way.interface}" if way.rank else "IPv6"

    @property
    def causes(self) -> Sequence[Outcome]:
        """The parts that are not right, but for those that only wait for one of these."""
        return [outcome for outcome in self.outcomes if outcome.error and outcome.state is not State.BLOCKED]

    @property
    def sign(self) -> Sign:
        """The worst of what the configuration in force wants."""
        if self.failure:
            return Sign.BROKEN
        return max(map(self.sign_of, self.outcomes), key=list(Sign).index, default=Sign.GOOD)

    def sign_of(self, outcome: Outcome) -> Sign:
        """How a part is. Whatever is waited for on a way that is broken, is not there."""
        if outcome.state is State.OK:
            return Sign.GOOD
        is_broken = any(station.hop is Hop.BROKEN for station in self.way)
        return Sign.BROKEN if is_broken or outcome.state is State.FAILED else Sign.WAITING

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

    def called(self, kind: str) -> str:
        """A part's name, and what it is."""
        return f"{kind} ({self.titles[kind]})" if kind in self.titles else kind

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
        "sign": status.sign,
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
        "interfaces": status.interfaces,
        "wifi": status.wifi,
        "tunnel": _health(status.facts.health_of(0).diagnosis) if status.appliance.tunnel is not None else None,
        "tunnels": list(_tunnels(status)),
        "cable": [asdict(offered) for offered in status.cable],
        "repairs": list(status.repairs),
        "kinds": [{**asdict(outcome), "line": status.line_of(outcome)} for outcome in status.outcomes],
    }
    return json.dumps(content, indent=2) + "\n"


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
