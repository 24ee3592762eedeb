"""The same for Prometheus: its text format, version 0.0.4. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from firstboot.page.content import Content
from firstboot.picture import Hop
from firstboot.reconcile import State
from firstboot.status import Sign

Sample = tuple[Mapping[str, str], float]
"""Labels, and the value."""

_HOPS = {Hop.GOOD: 1.0, Hop.BROKEN: 0.0}
"""What is not known, or not watched, has no sample."""


def metrics(content: Content, told_s: float) -> str:
    """All of them. `told_s`: when they were true, in seconds since 1970."""
    return "".join(line for family in _families(content, told_s) for line in family)


def _families(content: Content, told_s: float) -> Iterator[Iterable[str]]:
    yield _gauge("told_timestamp_seconds", "When all of this was true.", [({}, told_s)])
    info = {"hostname": content.hostname, "profile": content.profile}
    yield _gauge("info", "Which machine it is.", [(info, 1)])
    signs = [({"sign": sign}, float(sign is content.sign)) for sign in Sign]
    yield _gauge("state", "How everything is: the one that is 1.", signs)
    parts = [({"part": part}, float(state == State.OK)) for part, state in content.parts]
    yield _gauge("part_right", "Whether each part of the appliance is as it shall be.", parts)
    hops = [
        ({"station": station.name}, _HOPS[station.hop])
        for station in content.way
        if station.hop is not None and station.hop in _HOPS
    ]
    yield _gauge("way_good", "Whether a station of the way to the Internet is reached from the one before it.", hops)
    yield _gauge("troubles", "How many things the page says are to be looked at.", [({}, len(content.troubles))])
    leases = [({"network": domain}, float(number)) for domain, number in content.leases.numbers.items()]
    yield _gauge("leases", "Machines that have an address by DHCP.", leases)
    yield from _firewall(content)


def _firewall(content: Content) -> Iterator[Iterable[str]]:
    decided = content.refused.decided if content.refused is not None else {}
    for number, unit in enumerate(("packets", "bytes")):
        samples = [({"part": part, "action": action}, count[number]) for (part, action), count in decided.items()]
        help_ = f"What the firewall decided about, in {unit}, since its rules were loaded."
        yield _family(f"firewall_{unit}_total", "counter", help_, samples)


def _gauge(name: str, help_: str, samples: Iterable[Sample]) -> Iterable[str]:
    return _family(name, "gauge", help_, samples)


def _family(name: str, kind: str, help_: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP appliance_{name} {help_}\n# TYPE appliance_{name} {kind}\n"
    for labels, value in samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"appliance_{name}{f'{{{told}}}' if told else ''} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
