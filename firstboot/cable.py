"""The networks on the USB cable: what follows from the configuration and the facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from appliance.addresses import own_address_in, subnet
from appliance.model import Appliance, Gadget, Interfaces
from appliance.names import CABLE_BRIDGE
from firstboot.facts import OURS, Facts, Interface
from firstboot.gadget.configfs import NETWORK
from firstboot.topology import own_ipv6

BRIDGE = CABLE_BRIDGE
"""The bridge of the gadget's network interfaces: one network, whichever of them the laptop takes."""

LINK_LOCAL = IPv6Interface("fe80::1/64")
"""The Pi on each of them, whatever else it is called there."""

UNIQUE_LOCAL = IPv6Network("fc00::/7")
"""Routed by nobody but within a site (RFC 4193)."""

BLOCKS = (IPv4Network("10.64.0.0/10"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""Where the Pi takes a network of its own from: of another block if an uplink has all of one (RFC 1918)."""
_CHOICES_EACH = 16
_LENGTH = 28


@dataclass(frozen=True)
class Segment:
    """One network on the cable: the Pi's own addresses on `interface`, a bridge of `ports` or the only port itself.

    `ipv6` is of a unique local prefix; `routed` of those that the Internet routes to here, through each tunnel.
    `delegated` is of one that the uplink lent (RFC 8415, 6.3); who asked for it put the address there.
    """

    interface: str
    ports: tuple[str, ...]
    ipv4: IPv4Interface
    ipv6: IPv6Interface
    routed: tuple[IPv6Interface, ...] = ()
    delegated: IPv6Interface | None = None

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """The Pi's own that we see to."""
        return (self.ipv4, self.ipv6, *self.routed)

    @property
    def all_addresses(self) -> tuple[Interface, ...]:
        """The Pi's own, all of them."""
        return self.addresses if self.delegated is None else (*self.addresses, self.delegated)


def is_bridged(gadget: Gadget) -> bool:
    """Whether the network functions' interfaces are ports of one bridge."""
    return gadget.interfaces is Interfaces.BRIDGED


def segments(appliance: Appliance, facts: Facts) -> Sequence[Segment]:
    """The networks on the cable, in the order of the functions; separate interfaces once they are there."""
    gadget = appliance.gadget
    if gadget is None:
        return ()
    ports = tuple(facts.gadget_ports.values())
    own, unique = _own_ipv4(appliance, gadget, facts), unique_local(facts.serial)
    parts = list(own.network.subnets(1)) if len(ports) > 1 else [own.network]
    named = zip(ports, ((port,) for port in ports), (_address(part, own) for part in parts), strict=False)
    return tuple(
        Segment(
            interface,
            members,
            ipv4,
            own_address_in(subnet(unique, number)),
            own_ipv6(appliance, number),  # a /64 cannot be halved (SLAAC): the first interface has it
            _lent(interface, facts),
        )
        for number, (interface, members, ipv4) in enumerate([(BRIDGE, ports, own)] if is_bridged(gadget) else named)
    )


def _lent(interface: str, facts: Facts) -> IPv6Interface | None:
    """A global address that somebody else put on an interface of the cable."""
    for found in facts.addresses:
        address, is_others = found.address, found.interface == interface and found.protocol != OURS
        if is_others and isinstance(address, IPv6Interface) and address.ip not in UNIQUE_LOCAL:
            return address
    return None


def foreseen(appliance: Appliance, facts: Facts) -> Facts:
    """The facts as they are once the gadget is there: what is written before shall hold then as well."""
    if appliance.gadget is None or facts.gadget_ports:
        return facts
    functions = [name for name in NETWORK if name in appliance.gadget.functions]
    return replace(facts, gadget_ports={name: f"usb{number}" for number, name in enumerate(functions)})


def unique_local(serial: str) -> IPv6Network:
    """A unique local prefix (RFC 4193, 3.2), the same at every boot and not the same on two Pis."""
    identifier = int.from_bytes(sha256(f"ula {serial}".encode()).digest()[:5], "big")
    return IPv6Network((IPv6Address((0xFD << 120) | (identifier << 80)), 48))


def _address(part: IPv4Network, own: IPv4Interface) -> IPv4Interface:
    """The Pi's own address in a part of the network: the one that was chosen, or the first."""
    return IPv4Interface((own.ip if own.ip in part else part[1], part.prefixlen))


def _own_ipv4(appliance: Appliance, gadget: Gadget, facts: Facts) -> IPv4Interface:
    if gadget.network is not None:
        return gadget.network
    taken = list(elsewhere(appliance, facts))
    choices = _choices(facts.serial)
    free = [network for network in choices if not any(network.overlaps(other) for other in taken)] or choices
    # Once it stepped aside, it stays there: the laptop's connections are worth more than the first choice.
    present = {own.network.supernet(new_prefix=_LENGTH) for own in _ours(facts) if own.network.prefixlen >= _LENGTH}
    network = next((network for network in free if network in present), free[0])
    return IPv4Interface((network[1], network.prefixlen))


@lru_cache(maxsize=1)
def _choices(serial: str) -> Sequence[IPv4Network]:
    """The networks that a serial number stands for, the preferred one first; asked for many times in each pass."""
    return tuple(_chosen(serial))


def _chosen(serial: str) -> Iterator[IPv4Network]:
    for block in BLOCKS:
        for number in range(_CHOICES_EACH):
            digest = sha256(f"cable {number} {serial}".encode()).digest()
            offset = int.from_bytes(digest[:4], "big") % block.num_addresses & -(1 << (32 - _LENGTH))
            yield IPv4Network((int(block.network_address) + offset, _LENGTH))


def elsewhere(appliance: Appliance, facts: Facts) -> Iterator[IPv4Network]:
    """The IPv4 networks that the Pi is on, the cable's own aside."""
    if appliance.uplink is not None and appliance.uplink.address is not None:
        yield appliance.uplink.address.network
    cable = {BRIDGE, *facts.gadget_ports.values()}
    for address in facts.addresses:
        if isinstance(address.address, IPv4Interface) and address.interface not in cable:
            yield address.address.network


def _ours(facts: Facts) -> Iterator[IPv4Interface]:
    """The addresses that the daemon has put on the cable's interfaces."""
    cable = {BRIDGE, *facts.gadget_ports.values()}
    for address in facts.addresses:
        if isinstance(address.address, IPv4Interface) and address.interface in cable and address.protocol == OURS:
            yield address.address
