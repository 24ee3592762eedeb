"""The network interfaces on the cable: the bridge and its ports, or the separate interfaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import (
    Action,
    AddAddress,
    AddBridge,
    RemoveLink,
    SetLink,
    SetMac,
    SetMaster,
    SetSysctl,
)
from firstboot.cable import LINK_LOCAL, segments
from firstboot.facts import OURS, Address, Facts
from firstboot.gadget.identity import BRIDGE, device_mac
from firstboot.kind import Kind, Machine
from firstboot.plan import Change

IN6_ADDR_GEN_MODE_NONE = "1"
"""The kernel makes up no link-local address (linux/if_link.h)."""

NO_DAD = "0"
"""Addresses are usable at once, also before the laptop is there: on a cable that ends in one, none is a duplicate."""


@dataclass(frozen=True)
class CableLink:
    """An interface on the cable. What is None does not matter."""

    interface: str
    master: str
    kind: str | None = None
    group: int | None = None
    mac: str | None = None
    addr_gen_mode: str | None = IN6_ADDR_GEN_MODE_NONE
    accept_dad: str | None = None
    link_local: bool | None = None
    """It has the address by which the Pi is known on every one (there may be others, of NetworkManager)."""
    up: bool = True

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class Bridge(Kind[CableLink]):
    """Bridge and ports. The bridge is owned by its link group; the ports are the gadget's."""

    name = "bridge"
    title = "the USB cable's bridge"
    setting = "gadget.interfaces"
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[CableLink]:
        """A bridge with the gadget's ports as far as they are there, or these themselves."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[CableLink]) -> Sequence[CableLink]:
        """The wanted interfaces, and every bridge of ours."""
        names = {spec.interface for spec in wanted}
        facts = machine.facts()
        return [
            CableLink(
                link.name,
                link.master,
                link.kind,
                link.group,
                link.mac,
                machine.sysctl(_sysctl(link.name, "addr_gen_mode")),
                machine.sysctl(_sysctl(link.name, "accept_dad")),
                LINK_LOCAL.ip in facts.link_local.get(link.name, ()),
                link.up,
            )
            for link in facts.links.values()
            if link.name in names or (link.kind == "bridge" and link.group == OURS)
        ]

    def actions(self, change: Change[CableLink]) -> Sequence[Action]:
        """Make the bridge, anew if it is not ours, and set what differs."""
        want, have = change.want, change.have
        if want is None:
            return [RemoveLink(change.key)]
        if want.kind is None or want.mac is None:
            return [] if have is None else list(_settings(want, have))
        if have is not None and (have.kind, have.group) == (want.kind, want.group):
            return list(_settings(want, have))
        fresh = CableLink(want.interface, "", want.kind, want.group, want.mac, None, None, link_local=False, up=False)
        remove = [RemoveLink(want.interface)] if have is not None else []
        return [*remove, AddBridge(want.interface, want.mac), *_settings(want, fresh)]


def _desired(appliance: Appliance, facts: Facts) -> Iterator[CableLink]:
    for segment in segments(appliance, facts):
        if segment.ports == (segment.interface,):
            yield CableLink(segment.interface, "", accept_dad=NO_DAD, link_local=True)
            continue
        mac = device_mac(facts.serial, BRIDGE)
        yield CableLink(segment.interface, "", "bridge", OURS, mac, accept_dad=NO_DAD, link_local=True)
        yield from (CableLink(port, segment.interface) for port in segment.ports)


def _settings(want: CableLink, have: CableLink) -> Iterator[Action]:
    """In the order in which no address of the kernel's making appears in between."""
    name = want.interface
    if want.mac not in (None, have.mac):
        yield SetMac(name, want.mac or "")
    for setting, wanted, found in (
        ("addr_gen_mode", want.addr_gen_mode, have.addr_gen_mode),
        ("accept_dad", want.accept_dad, have.accept_dad),
    ):
        if wanted not in (None, found):
            yield SetSysctl(_sysctl(name, setting), wanted or "")
    if want.master != have.master:
        yield SetMaster(name, want.master)
    if not have.up:
        yield SetLink(name)
    if want.link_local and not have.link_local:
        yield AddAddress(Address(name, LINK_LOCAL, OURS))


def _sysctl(interface: str, name: str) -> str:
    return f"net/ipv6/conf/{interface}/{name}"
