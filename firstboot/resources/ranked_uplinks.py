"""Several uplinks, preferred in order, by the machine's own network manager."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Appliance, Profile
from firstboot.actions import Action, RememberCarrying, RemoveFile, WriteFile
from firstboot.facts import Carrier, Facts
from firstboot.kind import Kind, Machine
from firstboot.managers import ifupdown
from firstboot.managers.detection import MANAGERS, manager_of
from firstboot.managers.ranked import Ranked, carried, ranked
from firstboot.plan import Change, diff
from firstboot.rendered.file import File


@dataclass(frozen=True)
class ManagersFile:
    """A file that a manager reads. `mode` None: whatever it has; `apply` makes the manager do as it is now."""

    path: Path
    content: bytes = field(repr=False)
    mode: int | None
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
    """What carried a network last."""

    network: str
    carrier: Carrier

    @property
    def key(self) -> str:
        """The network."""
        return f"what carries {self.network}"


Wanted = ManagersFile | Preferred | Carrying


class RankedUplinks(Kind[Wanted]):
    """The manager's files, and the metrics that come of them."""

    name = "uplinks"
    title = "which uplink comes first"
    setting = "uplinks"
    profiles = frozenset({Profile.CUSTOM})
    writes_first = True
    interrupts = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Wanted]:
        """Files for all whose interface is known, and a route for each that must be there or has one."""
        ours = manager_of(appliance, facts) if appliance.uplinks else None
        restored = _restored(facts) if ours is not ifupdown else ()
        return (*restored, *(_desired(ours, appliance, facts) if ours is not None else ()))

    def observe(self, machine: Machine, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        """All files that the daemon wrote, for whichever manager; the wanted routes; what is remembered."""
        facts = machine.facts()
        files = tuple(_files(machine, wanted))
        # Before the manager has read its file, a route says nothing, and to be set up twice at once is too much for it:
        # it is looked at afterwards.
        to_be_read = diff((want for want in wanted if isinstance(want, ManagersFile)), files)
        routes = (
            Preferred(want.interface, _metric(want.interface, facts) if not to_be_read else want.metric)
            for want in wanted
            if isinstance(want, Preferred)
        )
        known = facts.carrying
        networks = (want.network for want in wanted if isinstance(want, Carrying) and want.network in known)
        remembered = (Carrying(network, known[network]) for network in networks)
        return (*files, *routes, *remembered)

    def actions(self, change: Change[Wanted]) -> Sequence[Action]:
        """Write or remove a file, and have it read; of a route that does not come, the manager knows more."""
        want, have = change.want, change.have
        if isinstance(want, ManagersFile):
            return [WriteFile(want.path, want.content, want.mode), *want.apply]
        if isinstance(want, Preferred) and isinstance(have, Preferred):
            return list(want.apply)
        if isinstance(want, Carrying):
            return [RememberCarrying(want.network, want.carrier)]
        return [RemoveFile(have.path), *have.apply] if isinstance(have, ManagersFile) else []

    def explain(self, change: Change[Wanted]) -> ApplianceError | None:
        """Why there is no route, or another."""
        want, have = change.want, change.have
        if not isinstance(want, Preferred) or not isinstance(have, Preferred):
            return None
        if have.metric is None:
            hint = "is its cable in, and does a DHCP server on its network tell of a router?"
            return TemporaryError(f"{want.interface} has no default route", hint=hint)
        return PermanentError(
            f"the default route of {want.interface} has the metric {have.metric}, not {want.metric}",
            hint="something else configures it as well" if want.apply else "set it where its address is configured",
        )


def _restored(facts: Facts) -> Iterator[ManagersFile]:
    """Others' files without lines of ours. Where ifupdown is not the one in charge, it is not to set anything up."""
    is_in_charge = facts.managers[:1] == (ifupdown.NAME,)
    for file in ifupdown.restored(facts):
        marked = ifupdown.marked(facts.interfaces_files[str(file.path)]) if is_in_charge else ()
        yield _managers(file, ifupdown.set_up_again(marked, facts))


def _desired(manager: ModuleType, appliance: Appliance, facts: Facts) -> Iterator[Wanted]:
    uplinks = ranked(appliance, facts)
    for file, means in manager.files(uplinks, facts):
        wrong = [each for each in means if each.interface in facts.links and not _is_right(each, facts)]
        yield _managers(file, manager.read(wrong))
    for uplink in uplinks:
        name = uplink.interface
        if not uplink.optional or name in facts.lost_routes or _metric(name, facts) is not None:
            yield Preferred(name, uplink.metric, _again(manager, uplink, facts))
    yield from (Carrying(network, carrier) for network, carrier in carried(appliance, facts))


def _again(manager: ModuleType, uplink: Ranked, facts: Facts) -> tuple[Action, ...]:
    """What gets it another route: not while it waits for one, and not where the manager is told by others."""
    waits = _metric(uplink.interface, facts) is None and not facts.lost_routes.get(uplink.interface, False)
    return () if waits or not manager.configures(uplink, facts) else tuple(manager.apply(uplink))


def _managers(file: File, apply: Iterable[Action]) -> ManagersFile:
    return ManagersFile(file.path, file.content or b"", file.mode, tuple(dict.fromkeys(apply)))


def _is_right(uplink: Ranked, facts: Facts) -> bool:
    """Whether it need not be interrupted: all that its file is for is there already."""
    return _metric(uplink.interface, facts) == uplink.metric


def _files(machine: Machine, wanted: Sequence[Wanted]) -> Iterator[ManagersFile]:
    facts = machine.facts()
    owned = {
        path: manager for manager in MANAGERS.values() for pattern in manager.OWNED for path in machine.glob(pattern)
    }
    others = (want.path for want in wanted if isinstance(want, ManagersFile) and want.path not in owned)
    for path in (*owned, *others):
        if (state := machine.read(path)) is not None:
            # One that does not run is not to be told: the bus would start it.
            is_told = path in owned and owned[path].NAME in facts.managers
            apply = owned[path].withdraw(path, facts) if is_told else ()
            yield ManagersFile(path, state.content, state.mode, tuple(apply))


def _metric(interface: str, facts: Facts) -> int | None:
    """Of the best way out by a router: dhcpcd has one without, of another metric, while it waits for a lease."""
    routes = facts.default_routes_on(interface, 4)
    return next((route.metric for route in routes if route.gateway is not None), None)
