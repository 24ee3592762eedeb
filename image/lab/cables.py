"""Switches, cables and addresses: what the networks of a lab are laid with."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface

from image.lab.world import World

WIRES = "wires"
"""The namespace of the switches and of the Pi's ends of the cables."""
NIC = "eth0"
"""What each host calls its interface toward the Pi or the provider."""
CARD_MAC = "b8:27:eb:5e:ed:00"
"""What `machine` gives the Pi's first network card."""


def add_wires(world: World) -> None:
    """Make the namespace of the switches, which have no addresses of their own."""
    world.add_namespace(WIRES)
    world.run(WIRES, ["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])


def add_switch(world: World, name: str) -> None:
    """An Ethernet switch: a bridge that floods multicast, as there is no querier on it."""
    ip(world, WIRES, "link", "add", name, "type", "bridge", "mcast_snooping", "0")
    ip(world, WIRES, "link", "set", name, "up")


def plug(world: World, host: str, *, switch: str) -> None:
    """A cable from a host's `eth0` to a switch."""
    ip(world, WIRES, "link", "add", host, "type", "veth", "peer", "name", NIC, "netns", f"/run/netns/{host}")
    ip(world, WIRES, "link", "set", host, "master", switch, "up")
    ip(world, host, "link", "set", NIC, "up")


def add_card(world: World, card: str, *, switch: str) -> None:
    """A TAP device on a switch: a network card of the Pi."""
    ip(world, WIRES, "tuntap", "add", card, "mode", "tap")
    ip(world, WIRES, "link", "set", card, "master", switch, "up")


def connect(world: World, one: str, other: str, address_one: IPv4Interface, address_other: IPv4Interface) -> None:
    """A cable between two hosts: `to-OTHER` on the one, `to-ONE` on the other."""
    ip(
        world, one, "link", "add", f"to-{other}", "type", "veth",
        "peer", "name", f"to-{one}", "netns", f"/run/netns/{other}",
    )  # fmt: skip
    for host, far, near in ((one, other, address_one), (other, one, address_other)):
        ip(world, host, "link", "set", f"to-{far}", "up")
        address(world, host, f"to-{far}", near)


def address(world: World, host: str, interface: str, to_add: IPv4Interface | IPv6Interface) -> None:
    """Give an interface an address, at once (no duplicate address detection on a cable that we laid)."""
    nodad = ("nodad",) if to_add.version == 6 else ()
    ip(world, host, "address", "add", str(to_add), "dev", interface, *nodad)


def default_route(world: World, host: str, via: IPv4Interface | IPv6Interface) -> None:
    """Send everything else to `via`."""
    ip(world, host, f"-{via.version}", "route", "add", "default", "via", str(via.ip))


def ip(world: World, host: str, *words: str) -> str:
    """Run iproute2 on one of the hosts."""
    return world.run(host, ["ip", *words])
