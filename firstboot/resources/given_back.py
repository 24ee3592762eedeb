"""A machine that is its owner's, where no profile takes it over any more: its firewall and its files are as before.

Addresses, routes, interfaces and services of ours are taken away by the kinds that made them (`Kind.takes_leave`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.model import Appliance, Profile
from firstboot.actions import (
    Action,
    ForgetFormerFiles,
    OpenFirewall,
    PutBackFile,
    ReloadNetworkManager,
    RemoveFile,
    RestartUnit,
    SetHostname,
)
from firstboot.facts import Facts, FormerFile
from firstboot.former_files import HOSTNAME, HOSTS, RESOLVER
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.policy.rules import FAMILIES
from firstboot.rendered import resolver
from firstboot.resources.files import OWNED
from firstboot.resources.hostname import hosts_with

UFW = "ufw.service"


@dataclass(frozen=True)
class Taken:
    """What is still the appliance's: the families whose rules in the kernel are, others' files, and its own."""

    rules: tuple[int, ...] = ()
    files: tuple[FormerFile, ...] = ()
    """Those that are not as they were."""
    own: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        """There is one."""
        return "this machine"


class GivenBack(Kind[Taken]):
    """Firewall and files. The firewall comes first: it may be what cuts somebody off."""

    name = "given-back"
    title = "what its owner has again"
    setting = "profile"
    profiles = frozenset[Profile]()
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Taken]:
        """Nothing is the appliance's."""
        return (Taken(),)

    def observe(self, machine: Machine, wanted: Sequence[Taken]) -> Sequence[Taken]:
        """What is."""
        rules = tuple(family for family in FAMILIES if machine.rules(family).is_ours)
        files = tuple(each for each in machine.facts().former_files if not _is_as_before(each, machine))
        return (Taken(rules, files, tuple(path for pattern in OWNED for path in machine.glob(pattern))),)

    def actions(self, change: Change[Taken]) -> Sequence[Action]:
        """Open the firewall, put files back, and have those read them who are to: ufw may have been on before."""
        return list(_actions(change.have)) if change.have is not None else []


class Forgotten(Kind[Taken]):
    """What was before is remembered until all is as it was."""

    name = "forgotten"
    title = "what was there before"
    setting = "profile"
    profiles = frozenset[Profile]()
    takes_leave = True
    needs = ("given-back", "gadget", "bridge", "tunnel", "addresses", "routes", "units", "status-page", "dhcpcd")

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Taken]:
        """Nothing is remembered."""
        return (Taken(),)

    def observe(self, machine: Machine, wanted: Sequence[Taken]) -> Sequence[Taken]:
        """What is."""
        return (Taken(files=machine.facts().former_files),)

    def actions(self, change: Change[Taken]) -> Sequence[Action]:
        """Forget it."""
        return [ForgetFormerFiles()]


def _actions(taken: Taken) -> Iterator[Action]:
    yield from (OpenFirewall(family) for family in taken.rules)
    yield from (RemoveFile(path) for path in taken.own)
    for former in taken.files:
        is_name = former.path == HOSTNAME and former.content is not None
        yield SetHostname(_name(former.content or b"")) if is_name else PutBackFile(former)
    if taken.rules:
        yield RestartUnit(UFW)
    if taken.own:
        yield ReloadNetworkManager()


def _is_as_before(former: FormerFile, machine: Machine) -> bool:
    """Of /etc/resolv.conf many are the owners: once it is not ours, it is as somebody else wants it."""
    found = machine.read(former.path)
    if former.path == RESOLVER:
        return found is None or found.content == former.content or not found.content.startswith(resolver.MARK.encode())
    if former.path == HOSTS:  # of which one line is the name's: where others are not as they were, all of it stays
        now, before = _text(found.content if found is not None else b""), _text(former.content or b"")
        return now == before or hosts_with(now, "") != hosts_with(before, "")
    if former.path == HOSTNAME:
        return _name(found.content if found is not None else b"") == _name(former.content or b"")
    return (found.content if found is not None else None) == former.content


def _name(content: bytes) -> str:
    return _text(content).strip()


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")
