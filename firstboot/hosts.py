"""The machines inside that have a name by DHCP, and their addresses of both families. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from firstboot.facts import Gateway

_NAMELESS = "*"
_FIELDS = 4


def hosts(leases: Iterable[str], seen: Mapping[str, Iterable[IPv6Address]]) -> Mapping[str, tuple[Gateway, ...]]:
    """By name: the address that dnsmasq gave it, and those of IPv6 that its network card was seen with.

    `leases`: the lines of dnsmasq's file (time, hardware address, address, name, id); `seen`: global IPv6 addresses by
    hardware address. A name that two machines have is the one's that stands first in the file. Whoever asks for an
    address says what it is called: a name is no identity.
    """
    found: dict[str, tuple[Gateway, ...]] = {}
    for lease in leased(leases):
        if lease.name:
            found.setdefault(lease.name.lower(), (lease.address, *sorted(seen.get(lease.mac, ()))))
    return found


def cards(leases: Iterable[str]) -> Sequence[str]:
    """The hardware addresses of all that have a lease."""
    return [lease.mac for lease in leased(leases)]


@dataclass(frozen=True)
class Leased:
    """A line of dnsmasq's file. `until`: seconds since 1970, as they stand there; `name`: "" for none."""

    until: str
    mac: str
    address: IPv4Address
    name: str


def leased(leases: Iterable[str]) -> Iterator[Leased]:
    """Each of IPv4's that can be understood: those of DHCPv6 have other columns."""
    for line in leases:
        words = line.split()
        if len(words) >= _FIELDS:
            with suppress(AddressValueError):
                address, name = IPv4Address(words[2]), words[3] if words[3] != _NAMELESS else ""
                yield Leased(words[0], words[1].lower(), address, name)


def by_hardware(neighbours: Iterable[tuple[str, Gateway]]) -> Mapping[str, tuple[IPv6Address, ...]]:
    """Global IPv6 addresses by hardware address, from the kernel's table of neighbours."""
    found: defaultdict[str, list[IPv6Address]] = defaultdict(list)
    for mac, address in neighbours:
        if isinstance(address, IPv6Address) and not address.is_link_local and not address.is_multicast:
            found[mac].append(address)
    return {mac: tuple(addresses) for mac, addresses in found.items()}
