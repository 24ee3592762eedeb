"""Rules that can never decide, or not about all that they say, because one before them does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.addresses import Network, is_within, overlap
from appliance.ranges import PortRange
from firstboot.policy.compiled import chains_of
from firstboot.policy.rules import FAMILIES, Action, Group, Rule, State, Traffic

Networks = tuple[Network, ...]


def shadowing(rules: Sequence[Rule], number: int) -> int | None:
    """The number of a rule that decides about everything that a later one is about; None where none does alone."""
    later = rules[number]
    return next((before for before in range(number) if _covers(rules[before], later)), None)


def letting_by(rules: Sequence[Rule], number: int) -> list[int]:
    """The numbers of rules that allow some of what a later one denies, of those that are about the same services."""
    later = rules[number]
    if later.action not in (Action.DENY, Action.DROP, Action.REJECT):
        return []
    return [before for before in range(number) if rules[before].action is Action.ALLOW and _meets(rules[before], later)]


def _meets(earlier: Rule, later: Rule) -> bool:
    """Whether a packet may be for both; not if the later one is about whatever there is."""
    return (
        any(_may_be(each, other) for each in later.traffic for other in earlier.traffic)
        and any(earlier.has(family) and later.has(family) for family in FAMILIES)
        and bool(set(chains_of(earlier)) & set(chains_of(later)))
        and _may_be_one(earlier.interface, later.interface)
        and _may_be_one(earlier.exit, later.exit)
        and _have_common(earlier.source, later.source)
        and _have_common(earlier.destination, later.destination)
        and earlier.state is State.ANY
    )


def _may_be(denied: Traffic, allowed: Traffic) -> bool:
    return denied.protocol == allowed.protocol != "" and _overlap(denied.ports, allowed.ports)


def _overlap(one: PortRange | None, other: PortRange | None) -> bool:
    return one is None or other is None or one.overlaps(other)


def _may_be_one(one: str, other: str) -> bool:
    return one == other or "" in (one, other)


def _have_common(one: Networks | None, other: Networks | None) -> bool:
    if one is None or other is None:
        return True
    return any(overlap(each, wide) for each in one for wide in other)


def _covers(earlier: Rule, later: Rule) -> bool:
    """What most rules fail at comes first: of thousands each is asked."""
    return (
        earlier.from_.covers(later.from_)
        and earlier.to.covers(later.to)
        and all(any(_includes(wide, each) for wide in earlier.traffic) for each in later.traffic)
        and earlier.interface in ("", later.interface)
        and earlier.exit in ("", later.exit)
        and _are_among(later.source, earlier.source)
        and _are_among(later.destination, earlier.destination)
        and all(earlier.has(family) for family in later.families if later.has(family))
        and set(chains_of(earlier)) >= set(chains_of(later))
        and earlier.state is State.ANY
        and earlier.group is not Group.LOOPBACK
        and Action.UNKNOWN not in (earlier.action, later.action)
    )


def _are_among(networks: Networks | None, wide: Networks | None) -> bool:
    if wide is None or networks is None:
        return wide is None
    return all(any(is_within(network, other) for other in wide) for network in networks)


def _includes(wide: Traffic, traffic: Traffic) -> bool:
    is_narrow = (wide.hops, wide.routing, wide.opening, wide.inner) != (None, None, None, None)
    if wide.types or wide.broadcast or is_narrow:
        return False
    return (
        wide.protocol in ("", traffic.protocol)
        and _has_all(wide.ports, traffic.ports)
        and _has_all(wide.source_ports, traffic.source_ports)
    )


def _has_all(wide: PortRange | None, ports: PortRange | None) -> bool:
    return wide is None or (ports is not None and wide.covers(ports))
