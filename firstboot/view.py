"""What is known of the machine's network: read again only where it may be another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv6Address
from time import monotonic
from typing import Protocol

from appliance.he import BrokerTunnel
from firstboot.facts import Address, Carrier, ChangedSetting, Facts, FormerFile, Gateway, Link, Route, Rule
from firstboot.health.diagnosis import Health
from firstboot.lost_routes import LostRoutes
from firstboot.sources import EVERYTHING, NETWORK, NOTHING, Source
from firstboot.tunnels.told import Told


class Readable(Protocol):
    """The kernel's tables."""

    def links(self) -> list[Link]:
        """All interfaces; the other tables are told by the names that they had here last."""
        ...

    def addresses(self) -> tuple[list[Address], dict[str, tuple[IPv6Address, ...]]]:
        """Those of global scope; and by interface the IPv6 ones of link scope."""
        ...

    def routes(self) -> list[Route]:
        """The routes that `Facts` has."""
        ...

    def rules(self) -> list[Rule]:
        """The rules that choose a table."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """The facts that are not of the kernel's tables, but for two, as `Facts` has them."""

    serial: str
    gadget_ports: Mapping[str, str]
    networkmanager: bool
    other_rules: Mapping[int, str]
    managers: tuple[str, ...] = ()
    interfaces_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    carrying: Mapping[str, Carrier] = field(default_factory=dict)
    hosts: Mapping[str, tuple[Gateway, ...]] = field(default_factory=dict)


class View:
    """The facts, put together from what is still good and what is read anew."""

    def __init__(
        self,
        tables: Readable,
        surroundings: Callable[[], Surroundings],
        neighbours: Callable[[], Mapping[tuple[str, Gateway], bool]],
        changed_settings: Callable[[], tuple[ChangedSetting, ...]] = tuple,
        *,
        healths: Callable[[], tuple[Health, ...]] = tuple,
        broker_tunnels: Callable[[], tuple[BrokerTunnel | None, ...]] = tuple,
        six_rd: Callable[[], Told | None] = lambda: None,
        former_files: Callable[[], tuple[FormerFile, ...]] = tuple,
    ) -> None:
        self._tables, self._surroundings, self._neighbours = tables, surroundings, neighbours
        self._changed_settings, self._healths = changed_settings, healths
        self._broker_tunnels, self._six_rd, self._former_files = broker_tunnels, six_rd, former_files
        self._stale = EVERYTHING
        self._facts = Facts()
        self._lost = LostRoutes()

    def forget(self, changed: Source) -> None:
        """Read these again when next asked."""
        self._stale |= changed

    def facts(self) -> Facts:
        """The network, and around it."""
        stale, self._stale = self._stale, NOTHING
        try:
            self._facts = self._read(stale)
        except Exception:
            self._stale = stale
            raise
        return self._facts

    def _read(self, stale: Source) -> Facts:
        facts, neighbours = self._facts, dict(self._neighbours())
        if neighbours != facts.neighbours:
            facts = replace(facts, neighbours=neighbours)
        facts = _with(facts, changed_settings=self._changed_settings(), healths=self._healths())
        facts = _with(facts, broker_tunnels=self._broker_tunnels(), six_rd=self._six_rd())
        facts = _with(facts, former_files=self._former_files())
        if Source.LINKS in stale:
            links = {link.name: link for link in self._tables.links()}
            if links != facts.links:
                stale |= _with_them(facts.links, links)
                facts = replace(facts, links=links)
        if Source.ADDRESSES in stale:
            addresses, link_local = self._tables.addresses()
            facts = _with(facts, addresses=tuple(addresses), link_local=link_local)
        if Source.ROUTES in stale:
            facts = _with(facts, routes=tuple(self._tables.routes()))
        if Source.RULES in stale:
            facts = _with(facts, rules=tuple(self._tables.rules()))
        if Source.SURROUNDINGS in stale:
            found = self._surroundings()
            facts = _with(facts, **{each.name: getattr(found, each.name) for each in fields(Surroundings)})
        return _with(facts, lost_routes=self._lost.update(facts, monotonic()))


def _with_them(before: Mapping[str, Link], links: Mapping[str, Link]) -> Source:
    """What may be another when the links are: of what a new one has the kernel tells, but not of all that goes with
    one that changed.
    """
    return NOTHING if all(links.get(name) == link for name, link in before.items()) else NETWORK


def _with(facts: Facts, **found: object) -> Facts:
    """The facts with another value; the same object where it is none, so that it is soon compared."""
    changed = {name: value for name, value in found.items() if value != getattr(facts, name)}
    return replace(facts, **changed) if changed else facts  # type: ignore[arg-type]
