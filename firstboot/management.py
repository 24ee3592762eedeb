"""By which ways this machine is reached, so that it can be told whether a new configuration has cut them. Pure.

A way is an ssh connection, or an address that a host was given over DHCP. It stands while its terms are the same: all
that the host at its other end depends on. On other terms it must be used again to be known to work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address

from firstboot.cable import BRIDGE
from firstboot.facts import Facts, Gateway
from firstboot.rendered import dnsmasq

SSH, DHCP = "ssh", "DHCP"
CABLE = "the USB cable"


@dataclass(frozen=True)
class Connection:
    """A TCP connection to this machine's ssh port.

    `own`, `peer`: the addresses of its two ends. `index`: the interface's, where the address is one of a link alone.
    `heard_s`: how long ago, in seconds, all was sent that the peer has acknowledged since; endless while it still has
    to acknowledge some. That it is heard itself says nothing of whether it hears us.
    """

    own: Gateway
    peer: Gateway
    index: int
    heard_s: float


@dataclass(frozen=True)
class NextHop:
    """Where the kernel sends a packet: by the interface of this index, and to the router, if there is one."""

    index: int
    gateway: Gateway | None = None


Routing = Callable[[Gateway, Gateway, int], NextHop | None]
"""Where the kernel sends a reply: from our address, to the peer, by the interface of this index alone (0: by any)."""


def nowhere(own: Gateway, peer: Gateway, index: int) -> None:
    """Of a machine that has no routes."""


def everybody(own: Gateway, peer: Gateway, interface: str) -> bool:
    """Of a machine whose firewall nobody asks."""
    return True


@dataclass(frozen=True)
class Visits:
    """Who is connected to this machine, and what they depend on.

    `leases`: the lines of dnsmasq's file of them. `offer`: the configuration that it has loaded. `input_rules`: the
    firewall's for what comes in, as iptables-restore reads them. `next_hop`: the way that replies take now. `admits`:
    whether the peer could connect to our address by ssh anew, over an interface.
    """

    facts: Facts = field(default_factory=Facts)
    connections: tuple[Connection, ...] = ()
    leases: tuple[str, ...] = ()
    offer: str = ""
    input_rules: tuple[str, ...] = ()
    next_hop: Routing = nowhere
    admits: Callable[[Gateway, Gateway, str], bool] = everybody


@dataclass(frozen=True)
class Way:
    """How one host reached this machine. `link`: an interface, or the cable, whose interfaces change their names."""

    link: str
    service: str
    own: Gateway
    peer: Gateway
    terms: str

    def __str__(self) -> str:
        return f"{self.service} over {self.link}"


def ways(visits: Visits) -> tuple[Way, ...]:
    """Those by which the machine is reached."""
    return tuple(_ways(visits))


def lost(before: Collection[Way], leases_before: Collection[str], now: Visits, applied_s: float) -> list[Way]:
    """The ways that do not stand and whose links nobody has used again since so many seconds ago."""
    used = set(_used_again(leases_before, now, applied_s))
    return [way for way in before if way.link not in used and not _stands(way, now)]


def shut_out(before: Collection[Way], now: Visits) -> list[Way]:
    """The ssh connections that go on, or not, and could not be made again: the firewall would refuse them."""
    return [
        way
        for way in before
        if way.service == SSH
        and any(not now.admits(way.own, way.peer, interface) for interface in _interfaces_of(way.own, now.facts))
    ]


def _ways(visits: Visits) -> Iterator[Way]:
    facts = visits.facts
    for connection in visits.connections:
        own, peer = connection.own, connection.peer
        for interface in _interfaces_of(own, facts, connection.index):
            yield Way(_link(interface, facts), SSH, own, peer, _terms(SSH, interface, own, peer, visits))
    for line in visits.leases:
        for interface, own, peer in _leased(line, facts):
            yield Way(_link(interface, facts), DHCP, own, peer, _terms(DHCP, interface, own, peer, visits))


def _stands(way: Way, now: Visits) -> bool:
    """Whether the host at the other end finds everything as it was."""
    return any(
        _link(interface, now.facts) == way.link
        and now.facts.has_carrier(interface)
        and _terms(way.service, interface, way.own, way.peer, now) == way.terms
        for interface in _interfaces_of(way.own, now.facts)
    )


def _used_again(leases_before: Collection[str], now: Visits, applied_s: float) -> Iterator[str]:
    """The links over which somebody has been heard since, or given an address."""
    for connection in now.connections:
        if connection.heard_s < applied_s:
            for interface in _interfaces_of(connection.own, now.facts, connection.index):
                yield _link(interface, now.facts)
    for line in now.leases:
        if line not in leases_before:
            yield from (_link(interface, now.facts) for interface, _, _ in _leased(line, now.facts))


def _terms(service: str, interface: str, own: Gateway, peer: Gateway, visits: Visits) -> str:
    """A digest of what the other end depends on: for ssh the way back to it, and what the firewall lets in.

    For DHCP that is the network, and that there is somebody to ask: a host keeps its lease whatever the next one says.
    """
    if service == DHCP:
        networks = (str(each.address) for each in visits.facts.addresses if each.address.ip == own)
        is_served = any(line.startswith("dhcp-range=") for line in dnsmasq.heard(visits.offer, interface).dhcp)
        terms = [*networks, str(is_served)]
    else:
        rules = (rule for rule in visits.input_rules if f" -i {interface} " in rule)
        terms = [str(own), _way_back(interface, own, peer, visits), *rules]
    return sha256("\n".join(terms).encode()).hexdigest()


def _way_back(interface: str, own: Gateway, peer: Gateway, visits: Visits) -> str:
    """The link that replies leave by, and the router that they are given to, as the kernel has it; "" for none."""
    facts = visits.facts
    of_a_link = isinstance(peer, IPv6Address) and peer.is_link_local and interface in facts.links
    hop = visits.next_hop(own, peer, facts.links[interface].index if of_a_link else 0)
    if hop is None:
        return ""
    name = next((link.name for link in facts.links.values() if link.index == hop.index), "")
    return f"{_link(name, facts)} {hop.gateway or ''}"


def _interfaces_of(own: Gateway, facts: Facts, index: int = 0) -> Iterator[str]:
    """The interfaces that have an address of ours; one of a link alone may be on several."""
    for address in facts.addresses:
        if address.address.ip == own:
            yield address.interface
    for link in facts.links.values():
        if own in facts.link_local.get(link.name, ()) and index in (0, link.index):
            yield link.name


def _link(interface: str, facts: Facts) -> str:
    return CABLE if interface in (BRIDGE, *facts.gadget_ports.values()) else interface


def _leased(line: str, facts: Facts) -> Iterator[tuple[str, Gateway, Gateway]]:
    """Interface, own address and the host's of a line of dnsmasq's: expiry, MAC, address, name, client identifier."""
    words = line.split()
    try:
        peer = IPv4Address(words[2])
    except (IndexError, ValueError):  # a line about DHCPv6
        return
    for address in facts.addresses:
        if peer in address.address.network:
            yield address.interface, address.address.ip, peer
