"""The default route of each table that a rule looks up, where nobody else has put one there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.addresses import EVERYWHERE
from appliance.model import Appliance, Profile
from firstboot.actions import Action
from firstboot.facts import MAIN_TABLE, Facts, Route, Rule
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.resources.routes import METRIC, Reach, actions, is_ours, ours
from firstboot.sources import Source


class RouteTables(Kind[Reach]):
    """Routes of other tables than main, owned by their protocol number."""

    name = "route-tables"
    title = "routes of policies"
    setting = "routing.tables"
    table = Source.ROUTES
    profiles = frozenset({Profile.CUSTOM})

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Reach]:
        """One for each table and family, by the router that the main table has for the table's interface."""
        ranges = [policy.lookup for policy in appliance.routing.tables]
        if not ranges:
            return ()
        looked_up = {
            (rule.family, rule.table): rule for rule in facts.rules if any(rule.table in tables for tables in ranges)
        }
        return tuple(_desired(looked_up.values(), facts))

    def observe(self, machine: Machine, wanted: Sequence[Reach]) -> Sequence[Reach]:
        """Every one that is ours."""
        return [reach for reach in ours(machine.facts()) if reach.table != MAIN_TABLE]

    def actions(self, change: Change[Reach]) -> Sequence[Action]:
        """Set or remove."""
        return actions(change)

    def footing(self, spec: Reach, facts: Facts) -> object:
        """As that of the main table's."""
        return facts.footing_on(spec.interface, spec.destination.version)


def _desired(rules: Iterable[Rule], facts: Facts) -> Iterator[Reach]:
    by_table: dict[tuple[int, int], list[Route]] = defaultdict(list)
    for route in facts.routes:
        by_table[route.destination.version, route.table].append(route)
    ways = {version: _best_by_interface(by_table[version, MAIN_TABLE]) for version in EVERYWHERE}
    for rule in rules:
        found = by_table[rule.family, rule.table]
        if any(route.is_default and not is_ours(route) for route in found):
            continue  # somebody else looks after this one, if only by having it lead nowhere
        way = ways[rule.family].get(_interface_of(rule, found, facts))
        if way is not None:
            yield Reach(EVERYWHERE[rule.family], way.interface, way.gateway, METRIC, rule.table)


def _best_by_interface(routes: Sequence[Route]) -> Mapping[str, Route]:
    """The main table's best default route through each interface."""
    defaults = [route for route in routes if route.is_default and route.interface]
    return {route.interface: route for route in sorted(defaults, key=lambda route: route.metric, reverse=True)}


def _interface_of(rule: Rule, routes: Sequence[Route], facts: Facts) -> str:
    """The table's own: that of its routes, else the rule's, else that of the address which the rule asks for."""
    leading = (route.interface for route in routes if not route.is_default)
    if (interface := next(leading, "") or rule.interface) or rule.source is None:
        return interface
    holders = (found.interface for found in facts.addresses if found.address.ip in rule.source)
    return next(holders, "")
