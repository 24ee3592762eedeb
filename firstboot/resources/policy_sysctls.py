"""Kernel settings of the interfaces that a policy means, whenever one appears."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.errors import ApplianceError, PermanentError
from appliance.model import Appliance, Profile, SysctlPolicy
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.resources.sysctls import Setting, normal, setting_actions
from firstboot.selection import selected


class PolicySysctls(Kind[Setting]):
    """What a setting was before is remembered, and put back by the kind `former-settings`."""

    name = "policy-sysctls"
    title = "kernel settings of policies"
    setting = "routing.sysctl"
    profiles = frozenset({Profile.CUSTOM})

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """Of two policies for the same setting the later one counts."""
        found = (each for policy in appliance.routing.sysctl for each in _desired(policy, facts))
        return tuple({setting.name: setting for setting in found}.values())

    def observe(self, machine: Machine, wanted: Sequence[Setting]) -> Sequence[Setting]:
        """The wanted settings as they are; several numbers are told with tabs between them."""
        values = {spec.name: machine.sysctl(spec.name) for spec in wanted}
        return [Setting(name, normal(value)) for name, value in values.items() if value is not None]

    def actions(self, change: Change[Setting]) -> Sequence[Action]:
        """Write it; what the kernel has not cannot be written."""
        return setting_actions(change) if change.have is not None else []

    def explain(self, change: Change[Setting]) -> ApplianceError | None:
        """A setting that this kernel does not know."""
        if change.have is not None:
            return None
        return PermanentError(f"the kernel has no setting {change.key}", hint="`sysctl -a` lists those that there are")


def _desired(policy: SysctlPolicy, facts: Facts) -> Iterator[Setting]:
    for link in selected(policy, facts):
        for name, value in policy.set.items():
            # The interface's own name may have dots (eth0.5), which are none of sysctl's.
            yield Setting(name.replace(".", "/").replace("{interface}", link.name), normal(value), link.index)
