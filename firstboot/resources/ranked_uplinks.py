"""Several uplinks, preferred in order, by the machine's own network manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Appliance, Profile
from firstboot.actions import Action, RememberCarrying, RemoveFile, WriteFile
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.managers import ifupdown
from firstboot.managers.detection import MANAGERS, manager_of
from firstboot.managers.ranked import Ranked, carried, ranked
from firstboot.plan import Change


@dataclass(frozen=True)
class ManagersFile:
    """A file that a manager reads. `apply` makes it do so."""

    path: Path
    content: bytes = field(repr=False)
    mode: int
    apply: tuple[Action, ...] = field(default=(), compare=False, repr=False)

    @property
    def key(self) -> str:
        """Its path."""
        return str(self.path)


@dataclass(frozen=True)
class Preferred:
    """An interface's best IPv4 default route has this metric; None: it has none."""

    interface: str
    metric: int | None
    apply: tuple[Action, ...] = field(default=(), compare=False, repr=False)

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


@dataclass(frozen=True)
class Carrying:
    """The hardware address of the interface that carried a network last."""

    network: str
    mac: str

    @property
    def key(self) -> str:
        """The network."""
        return f"what carries {self.network}"


Wanted = ManagersFile | Preferred | Carrying


class RankedUplinks(Kind[Wanted]):
    """The manager's files, and the metrics that come of them."""

    name = "uplinks"
    setting = "uplinks"
    profiles = frozenset({Profile.CUSTOM})

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Wanted]:
        """Files for all whose interface is known, and a route for each that must be there or has one."""
        return tuple(_desired(appliance, facts)) if appliance.uplinks else ()

    def observe(self, machine: Machine, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        """All files that the daemon wrote, for whichever manager; the wanted routes; what is remembered."""
        facts = machine.facts()
        routes = (_as_it_is(want, facts) for want in wanted if isinstance(want, Preferred))
        known = facts.carrying
        networks = (want.network for want in wanted if isinstance(want, Carrying) and want.network in known)
        remembered = (Carrying(network, known[network]) for network in networks)
        return (*_files(machine, wanted), *routes, *remembered)

    def actions(self, change: Change[Wanted]) -> Sequence[Action]:
        """Write or remove a file, and have it read; of a route that does not come, the manager knows more."""
        want, have = change.want, change.have
        if isinstance(want, ManagersFile):
            return [WriteFile(want.path, want.content, want.mode), *want.apply]
        if isinstance(want, Preferred) and isinstance(have, Preferred):
            return list(want.apply) if have.metric is not None else []
        if isinstance(want, Carrying):
            return [RememberCarrying(want.network, want.mac)]
        return [RemoveFile(have.path), *have.apply] if isinstance(have, ManagersFile) else []

    def explain(self, change: Change[Wanted]) -> ApplianceError | None:
        """Why there is no route, or another."""
        want, have = change.want, change.have
        if not isinstance(want, Preferred) or not isinstance(have, Preferred):
            return None
        if have.metric is None:
            hint = "is its cable in, and is there a DHCP server on its network?"
            return TemporaryError(f"{want.interface} has no default route yet", hint=hint)
        return PermanentError(
            f"the default route of {want.interface} has the metric {have.metric}, not {want.metric}",
            hint="something else configures it as well",
        )


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Wanted]:
    manager, uplinks = manager_of(appliance, facts), ranked(appliance, facts)
    if manager is ifupdown:
        _refuse_twice(uplinks, facts)
    apply = {uplink.interface: tuple(manager.apply(uplink)) for uplink in uplinks}
    for file, means in manager.files(uplinks):
        there = [each.interface for each in means if each.interface in facts.links]
        done = dict.fromkeys(action for interface in there for action in apply[interface])
        yield ManagersFile(file.path, file.content, file.mode, tuple(done))
    for uplink in uplinks:
        has_route = bool(facts.default_routes_on(uplink.interface, 4))
        if uplink.dhcp and (has_route or not uplink.optional):
            yield Preferred(uplink.interface, uplink.metric, apply[uplink.interface])
    yield from (Carrying(network, mac) for network, mac in carried(appliance, facts))


def _refuse_twice(uplinks: Sequence[Ranked], facts: Facts) -> None:
    """ifupdown would set up an interface once for each file that is about it."""
    for uplink in uplinks:
        if (file := facts.stanzas.get(uplink.interface)) is not None:
            raise PermanentError(
                f"{uplink.interface} is configured in {file} as well", hint=f"take its `iface` lines from {file}"
            )


def _files(machine: Machine, wanted: Sequence[Wanted]) -> Iterator[ManagersFile]:
    paths = {want.path for want in wanted if isinstance(want, ManagersFile)}
    for path in sorted(paths.union(*(machine.glob(pattern) for each in MANAGERS.values() for pattern in each.OWNED))):
        if (state := machine.read(path)) is not None:
            yield ManagersFile(path, state.content, state.mode)


def _as_it_is(want: Preferred, facts: Facts) -> Preferred:
    routes = facts.default_routes_on(want.interface, 4)
    return Preferred(want.interface, routes[0].metric if routes else None)
