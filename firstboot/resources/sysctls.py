"""Kernel settings: forwarding where packets are to be forwarded, and no router's word taken where we are the router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, SetSysctl
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.topology import forwards_ipv4


@dataclass(frozen=True)
class Setting:
    """A kernel setting, named with slashes."""

    name: str
    value: str

    @property
    def key(self) -> str:
        """Its name."""
        return self.name


class Sysctls:
    """Kernel settings. Nothing is owned: what a setting was before is not known, so none is put back."""

    name = "sysctls"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """The settings for what the configuration wants; those of an interface once it is there."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Setting]) -> Sequence[Setting]:
        """The wanted settings as they are."""
        values = {spec.name: machine.sysctl(spec.name) for spec in wanted}
        return [Setting(name, value) for name, value in values.items() if value is not None]

    def actions(self, change: Change[Setting]) -> Sequence[Action]:
        """Write it."""
        return [SetSysctl(change.want.name, change.want.value)] if change.want else []


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Setting]:
    if appliance.tunnel is None:
        return
    if forwards_ipv4(appliance):
        yield Setting("net/ipv4/ip_forward", "1")
    yield Setting("net/ipv6/conf/all/forwarding", "1")
    serving = [appliance.tunnel.interface, *([appliance.lan.interface] if appliance.lan else [])]
    for interface in serving:
        if interface in facts.links:
            yield Setting(f"net/ipv6/conf/{interface}/accept_ra", "0")
