"""Which manager a machine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from appliance.errors import PermanentError, TemporaryError
from appliance.model import Appliance, NetworkConfigurator
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.managers import ifupdown, netplan, networkd, networkmanager

MANAGERS: Mapping[str, ModuleType] = {module.NAME: module for module in (netplan, networkmanager, networkd, ifupdown)}
"""In the order in which they are looked for: netplan stands above two of the others, and where NetworkManager runs,
ifupdown is what a machine was installed with."""


def present(machine: Machine, *, networkmanager_runs: bool) -> tuple[str, ...]:
    """The managers that a machine has, the one that is in charge first."""
    has: Mapping[str, Callable[[], bool]] = {
        netplan.NAME: lambda: netplan.in_charge(machine),
        networkmanager.NAME: lambda: networkmanager_runs,
        networkd.NAME: lambda: machine.unit_is_active(networkd.UNIT),
        ifupdown.NAME: Path(ifupdown.PROGRAM).exists,
    }
    return tuple(name for name in MANAGERS if has[name]())


def manager_of(appliance: Appliance, facts: Facts) -> ModuleType:
    """The one that is to be used. Raises `TemporaryError` where there is none (yet)."""
    asked = appliance.manager
    if asked is NetworkConfigurator.AUTO:
        if not facts.managers:
            raise TemporaryError(
                "no program was found that configures networks",
                hint="there must be one of NetworkManager, netplan, systemd-networkd and ifupdown",
            )
        return MANAGERS[facts.managers[0]]
    if asked not in facts.managers:
        raise PermanentError(f"{asked} is not in use on this machine", hint="leave manager out: it is found")
    return MANAGERS[asked]
