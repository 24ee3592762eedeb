"""What has happened between two looks at the machine, in words: why something is to be done now. Pure.

What the daemon itself made, and what it remembers, is left out: that was done, and has a reason of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from firstboot.facts import MAIN_TABLE, OURS, Facts, Gateway, Interface

STARTED = "the appliance had just started"
NEW_CONFIGURATION = "another configuration is in force"
NOT_RIGHT_SINCE = "not right since: "
SAID = ("broker_tunnels", "six_rd")
"""The facts that a configuration may be completed with, which is then another as well."""

COMPANION = "sit0"
"""Linux makes it beside the first tunnel."""

MOST = 2
"""So much is told of what happened at once."""


@dataclass
class Reasons:
    """What each kind looked at last, so that it can be told what of that is another now."""

    _seen: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _before: Facts | None = None
    """As they were when the last pass ended."""
    _is_new: bool = True
    _open: dict[str, str] = field(default_factory=dict)
    """Of the kinds that are not right since something happened, what that was."""

    def begin(self, *, is_new: bool) -> None:
        """A pass begins; `is_new`: with another configuration than the last one."""
        self._is_new = is_new
        if is_new:
            self._seen, self._open = {}, {}

    def why(self, kind: str, now: Facts) -> str | None:
        """What a kind has to do something for; "" where there are no words for it, None where nothing is another."""
        if self._is_new:
            before = self._before
            said = {name: getattr(before, name) for name in SAID} if before is not None else {}
            return happened(said, now) or (NEW_CONFIGURATION if before is not None else STARTED)
        seen = self._seen.get(kind, vars(self._before) if self._before is not None else {})
        if all(getattr(now, name) == value for name, value in seen.items()):
            return f"{NOT_RIGHT_SINCE}{self._open[kind]}" if kind in self._open else None
        return happened(seen, now)

    def saw(self, kind: str, facts: Mapping[str, Any], why: str | None, *, is_right: bool) -> None:
        """A kind has looked at these; `why`: as it was told."""
        self._seen[kind] = facts
        if is_right:
            self._open.pop(kind, None)
        elif why and not why.startswith(NOT_RIGHT_SINCE):
            self._open[kind] = why

    def end(self, facts: Facts) -> None:
        """The pass has ended."""
        self._before = facts


def happened(before: Mapping[str, Any], now: Facts) -> str:
    """What of these facts, by their names, is another now; "" where there are no words for it."""
    known = replace(now, **before)
    return "; ".join(islice((said for tell in _TOLD for said in tell(known, now)), MOST))


def _links(before: Facts, now: Facts) -> Iterator[str]:
    for name in sorted({*before.links, *now.links}):
        old, new = before.links.get(name), now.links.get(name)
        if name == COMPANION or OURS in (found.group for found in (old, new) if found is not None):
            continue
        if old is None or new is None:
            yield f"{name} is there" if old is None else f"{name} is gone"
        elif old.carrier != new.carrier:
            yield f"{name} has a signal" if new.carrier else f"no signal on {name}"


def _addresses(before: Facts, now: Facts) -> Iterator[str]:
    """Of IPv6, not which: it may hold the hardware address."""
    old, new = _given(before), _given(now)
    for interface in sorted({interface for interface, _ in old ^ new}):
        come, gone = ([str(found) for name, found in one if name == interface] for one in (new - old, old - new))
        come, gone = (sorted(found for found in one if ":" not in found) for one in (come, gone))
        if come or gone:
            yield f"{interface} has the address {come[0]}" if come else f"{interface} has lost the address {gone[0]}"
        else:
            yield f"{interface} has other IPv6 addresses"


def _given(facts: Facts) -> set[tuple[str, Interface]]:
    return {(found.interface, found.address) for found in facts.addresses if found.protocol != OURS}


def _routes(before: Facts, now: Facts) -> Iterator[str]:
    old, new = _ways(before), _ways(now)
    for interface, version in sorted({*old, *new}):
        was, way = old.get((interface, version)), new.get((interface, version))
        if was != way:
            what = f"default route for IPv{version}"
            yield f"{interface} has lost its {what}" if way is None else f"{interface} has a {what} by {way}"


def _ways(facts: Facts) -> Mapping[tuple[str, int], Gateway]:
    """The routers that others have named, by interface and family; of several the best."""
    found = [
        (route.metric, str(route.gateway), route)
        for route in facts.routes
        if route.protocol != OURS and route.table == MAIN_TABLE and route.is_default
    ]
    return {
        (route.interface, route.destination.version): route.gateway
        for _, _, route in sorted(found, key=lambda each: each[:2], reverse=True)
        if route.gateway is not None
    }


def _neighbours(before: Facts, now: Facts) -> Iterator[str]:
    for (interface, address), answers in now.neighbours.items():
        if before.neighbours.get((interface, address), answers) != answers:
            yield f"{address} on {interface} {'answers' if answers else 'does not answer'}"


def _healths(before: Facts, now: Facts) -> Iterator[str]:
    for rank in range(max(len(before.healths), len(now.healths))):
        old, new = before.health_of(rank), now.health_of(rank)
        if (old.carries, old.diagnosis) != (new.carries, new.diagnosis):
            yield ("of the fallback: " if rank else "") + new.diagnosis.sentence


def _others(before: Facts, now: Facts) -> Iterator[str]:
    for name, said in _SAID_OF.items():
        if getattr(before, name) != getattr(now, name):
            yield said


_SAID_OF = {
    "broker_tunnels": "the broker has told what the tunnel is",
    "six_rd": "the provider has told another 6rd, or none",
    "hosts": "machines inside have other addresses",
    "networkmanager": "NetworkManager has begun or ended",
    "managers": "other programs look after the network",
    "interfaces_files": "ifupdown's files are others",
    "other_rules": "ufw's own rules are others",
    "lost_routes": "a default route went, or is back",
}
_TOLD: tuple[Callable[[Facts, Facts], Iterator[str]], ...] = (
    _healths,
    _links,
    _addresses,
    _routes,
    _neighbours,
    _others,
)
"""What explains most is first."""
