"""What can go wrong around the appliance, on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from image.lab.cables import WIRES, ip
from image.lab.topology import CLIENT, ISP, ROUTER, WEB
from image.lab.world import World


class Fault(StrEnum):
    """A fault's name: as `appliance lab` takes it."""

    PROTO41 = "proto41"
    """The home router drops protocol 41: no packet gets through the tunnel."""
    DNS = "dns"
    """The home router drops DNS."""
    MTU = "mtu"
    """The provider's side takes no full-sized packets, and says nothing (a path MTU black hole)."""
    CABLE = "cable"
    """The hosts on the LAN are unplugged from the switch."""


ROUTER_DROPS = {
    Fault.PROTO41: "ip protocol 41 drop",
    Fault.DNS: "meta l4proto { tcp, udp } th dport 53 drop",
    Fault.MTU: f'iifname "to-{ISP}" ip length > 1400 drop',
}


@contextmanager
def fault(world: World, kind: Fault) -> Iterator[None]:
    """The fault is there while the block runs."""
    inject(world, kind)
    try:
        yield
    finally:
        mend(world)


def inject(world: World, kind: Fault) -> None:
    """Break it."""
    if kind is Fault.CABLE:
        switch_ports(world, "down")
    else:
        world.run(ROUTER, ["nft", "-f", "-"], stdin=f"add rule ip faults forward {ROUTER_DROPS[kind]}\n")


def mend(world: World) -> None:
    """Everything is right again."""
    world.run(ROUTER, ["nft", "flush", "chain", "ip", "faults", "forward"])
    switch_ports(world, "up")


def switch_ports(world: World, state: str) -> None:
    """Turn the switch's ports of the LAN's hosts up or down: the hosts see their carrier go and come."""
    for host in (CLIENT, WEB):
        ip(world, WIRES, "link", "set", host, state)
