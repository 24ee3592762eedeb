"""Kernel settings: forwarding where packets are to be forwarded, and no router's word taken where we are the router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from appliance.model import Appliance
from firstboot.actions import Action, SetSysctl
from firstboot.cable import segments
from firstboot.facts import Facts
from firstboot.forwarding import paths
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.sharing import Mode, mode_on
from firstboot.topology import subnets


@dataclass(frozen=True)
class Setting:
    """A kernel setting, named with slashes. `index`: that of the interface which it is about; 0 for none."""

    name: str
    value: str
    index: int = field(default=0, compare=False, repr=False)

    @property
    def key(self) -> str:
        """Its name."""
        return self.name


class Sysctls(Kind[Setting]):
    """Kernel settings. What they were before is remembered, and put back by the kind `former-settings`."""

    name = "sysctls"
    title = "kernel settings"
    needs: ClassVar[tuple[str, ...]] = ("firewall",)
    setting = "tunnel"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """The settings for what the configuration wants; those of an interface once it is there."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Setting]) -> Sequence[Setting]:
        """The wanted settings as they are."""
        values = {spec.name: machine.sysctl(spec.name) for spec in wanted}
        return [Setting(name, value) for name, value in values.items() if value is not None]

    def actions(self, change: Change[Setting]) -> Sequence[Action]:
        """Write it."""
        return setting_actions(change)

    def footing(self, spec: Setting, facts: Facts) -> object:
        """The interface that it is about."""
        return spec.index


def setting_actions(change: Change[Setting]) -> Sequence[Action]:
    """Write it, and remember what it was."""
    want, have = change.want, change.have
    return [SetSysctl(want.name, want.value, have.value if have else None, want.index)] if want else []


def normal(value: str) -> str:
    """A value of several numbers, which the kernel tells with tabs between them."""
    return " ".join(value.split())


class TunnelSysctls(Sysctls):
    """Those of the tunnels' interfaces, which are there once these are."""

    name = "tunnel-sysctls"
    title = "the tunnel's kernel settings"
    needs = ("tunnel",)

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """A tunnel is no place to hear of routers."""
        return tuple(each for tunnel in appliance.known_tunnels for each in _of_interface(tunnel.interface, facts))


class CableSysctls(Sysctls):
    """Those of the networks on the USB cable, before these are up, and hear of routers: dnsmasq here is one as well."""

    name = "cable-sysctls"
    title = "the cable's kernel settings"
    setting = "gadget"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """Where the laptop is not our router, nobody is; for it, we are one if we share."""
        found: list[Setting] = []
        for segment in segments(appliance, facts):
            mode = mode_on(segment, appliance, facts)
            if segment.interface in facts.links and mode is not Mode.HOST:
                found += _of_interface(segment.interface, facts, is_router=mode is Mode.ROUTE)
        return tuple(found)


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Setting]:
    if paths(appliance, facts, 6):
        yield Setting("net/ipv6/conf/all/forwarding", "1")
    if paths(appliance, facts, 4):
        yield Setting("net/ipv4/ip_forward", "1")
    for network in subnets(appliance, facts):
        if appliance.tunnel is not None and network.interface in facts.links:  # even before it is known which
            yield from _of_interface(network.interface, facts)


def _of_interface(interface: str, facts: Facts, *, is_router: bool = True) -> Iterator[Setting]:
    index = facts.links[interface].index if interface in facts.links else 0
    # Its neighbour advertisements say with it whether this is a router (RFC 4861, 4.4).
    yield Setting(f"net/ipv6/conf/{interface}/forwarding", "1" if is_router else "0", index)
    yield Setting(f"net/ipv6/conf/{interface}/disable_ipv6", "0", index)
    yield Setting(f"net/ipv6/conf/{interface}/accept_ra", "0", index)
