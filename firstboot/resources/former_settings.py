"""Kernel settings that nobody wants any more: each is again what it was before the daemon changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from appliance.model import Appliance, Profile
from firstboot.actions import Action, PutBackSysctl
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.resources.policy_sysctls import PolicySysctls
from firstboot.resources.sysctls import CableSysctls, Sysctls, TunnelSysctls, normal
from firstboot.resources.uplink_sysctls import UplinkSysctls

_WANTING = (Sysctls(), TunnelSysctls(), CableSysctls(), PolicySysctls(), UplinkSysctls())


@dataclass(frozen=True)
class Former:
    """A setting that the daemon changed. `value` None: there is nothing to put back, its interface is gone.

    `changed`: it counts as the daemon's change. `ours`: the value that the daemon gave it.
    """

    name: str
    value: str | None
    changed: bool = False
    ours: str = field(default="", compare=False, repr=False)

    @property
    def key(self) -> str:
        """The setting's name."""
        return self.name


class FormerSettings(Kind[Former]):
    """What the kinds that want settings have changed, and want no more: also those that have no say now."""

    name = "former-settings"
    title = "settings that were changed before"
    setting = "routing.sysctl"
    profiles = frozenset(Profile)

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Former]:
        """The last change is taken back first: one setting may have changed another (all/forwarding)."""
        return tuple(_desired(appliance, facts)) if facts.changed_settings else ()

    def observe(self, machine: Machine, wanted: Sequence[Former]) -> Sequence[Former]:
        """These settings as they are."""
        return [Former(want.name, _value(machine, want.name), changed=True) for want in wanted]

    def actions(self, change: Change[Former]) -> Sequence[Action]:
        """Put it back, unless somebody else has given it a value of their own since."""
        want, have = change.want, change.have
        if want is None:
            return []
        is_ours = have is not None and have.value == want.ours
        return [PutBackSysctl(want.name, want.value if is_ours else None)]


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Former]:
    kinds = [kind for kind in _WANTING if appliance.profile in kind.profiles]
    wanted = {setting.name for kind in kinds for setting in kind.desired(appliance, facts)}
    names = {link.index: link.name for link in facts.links.values()}
    for changed in reversed(facts.changed_settings):
        if changed.name not in wanted:
            # Another interface of that name was never changed.
            is_there = not changed.index or names.get(changed.index) in changed.name.split("/")
            yield Former(changed.name, changed.before if is_there else None, ours=changed.ours)


def _value(machine: Machine, name: str) -> str | None:
    value = machine.sysctl(name)
    return normal(value) if value is not None else None
