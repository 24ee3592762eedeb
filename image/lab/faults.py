"""What can go wrong around the appliance, on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from image.lab import site as places
from image.lab.cables import WIRES, ip
from image.lab.provider import Provider
from image.lab.topology import CLIENT, ISP, PROVIDER, ROUTER, WEB, give_public_address
from image.lab.world import World


class Fault(StrEnum):
    """A fault's name: as `appliance lab fault` takes it. What each is stands in `ABOUT`."""

    PROTO41 = "proto41"
    MTU = "mtu"
    SERVER = "server"
    BEYOND = "beyond"
    STALE = "stale"
    ADDRESS = "address"
    BROKER = "broker"
    DNS = "dns"
    CABLE = "cable"


ABOUT: Mapping[Fault, str] = {
    Fault.PROTO41: "the home router drops protocol 41: no packet gets through the tunnel",
    Fault.MTU: "no full-sized packets get to the home router, and nobody says so (a path MTU black hole)",
    Fault.SERVER: "the tunnel's server is dead",
    Fault.BEYOND: "the tunnel's server lets nothing on to the IPv6 Internet",
    Fault.STALE: "the broker has another address as the tunnel's other end",
    Fault.ADDRESS: "the home router's provider gives it another public address",
    Fault.BROKER: "the broker's web server does not answer",
    Fault.DNS: "the home router drops DNS",
    Fault.CABLE: "the hosts on the LAN are unplugged from the switch",
}


@dataclass(frozen=True)
class Drop:
    """A host drops what a rule of nftables matches, where a hook of netfilter has it."""

    host: str
    family: str
    hook: str
    matching: str


DROPS: Mapping[Fault, Drop] = {
    Fault.PROTO41: Drop(ROUTER, "ip", "forward", "ip protocol 41"),
    Fault.MTU: Drop(ROUTER, "ip", "forward", f'iifname "to-{ISP}" ip length > 1400'),
    Fault.SERVER: Drop(PROVIDER, "ip", "input", f'iifname "to-{ISP}"'),
    Fault.BEYOND: Drop(PROVIDER, "ip6", "forward", ""),
    Fault.BROKER: Drop(ROUTER, "ip", "forward", f"ip daddr {places.BROKER}"),
    Fault.DNS: Drop(ROUTER, "ip", "forward", "meta l4proto { tcp, udp } th dport 53"),
}


@contextmanager
def fault(world: World, kind: Fault) -> Iterator[None]:
    """The fault is there while the block runs; others may be beside it."""
    if kind in DROPS:
        broken = _dropping(world, kind, DROPS[kind])
    else:
        broken = {Fault.STALE: _stale, Fault.ADDRESS: _another_address, Fault.CABLE: _unplugged}[kind](world)
    with broken:
        yield


@contextmanager
def _dropping(world: World, name: str, drop: Drop) -> Iterator[None]:
    chain = f"chain broken {{ type filter hook {drop.hook} priority filter; {drop.matching} drop; }}"
    world.run(drop.host, ["nft", "-f", "-"], stdin=f"table {drop.family} fault_{name} {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        world.run(drop.host, ["nft", "delete", "table", drop.family, f"fault_{name}"])


@contextmanager
def _stale(world: World) -> Iterator[None]:
    register = Provider(world).register
    before = register.endpoint()
    register.enter(places.STRANGER)
    try:
        yield
    finally:
        register.enter(before)


@contextmanager
def _another_address(world: World) -> Iterator[None]:
    give_public_address(world, places.WAN_ROUTER_LATER)
    try:
        yield
    finally:
        give_public_address(world, places.WAN_ROUTER)


@contextmanager
def _unplugged(world: World) -> Iterator[None]:
    """The switch's ports of the LAN's hosts are down: they see their carrier go and come."""
    _switch_ports(world, "down")
    try:
        yield
    finally:
        _switch_ports(world, "up")


def _switch_ports(world: World, state: str) -> None:
    for host in (CLIENT, WEB):
        ip(world, WIRES, "link", "set", host, state)
