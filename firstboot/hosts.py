"""The machines inside that have a name by DHCP, and their addresses of both families. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    for line in leases:
        words = line.split()
        if len(words) < _FIELDS or words[3] == _NAMELESS:
            continue
        try:
            address = IPv4Address(words[2])
        except AddressValueError:
            continue  # of DHCPv6, which has other columns
        found.setdefault(words[3].lower(), (address, *sorted(seen.get(words[1].lower(), ()))))
    return found


def by_hardware(neighbours: Iterable[tuple[str, Gateway]]) -> Mapping[str, tuple[IPv6Address, ...]]:
    """Global IPv6 addresses by hardware address, from the kernel's table of neighbours."""
    found: defaultdict[str, list[IPv6Address]] = defaultdict(list)
    for mac, address in neighbours:
        if isinstance(address, IPv6Address) and not address.is_link_local and not address.is_multicast:
            found[mac].append(address)
    return {mac: tuple(addresses) for mac, addresses in found.items()}
