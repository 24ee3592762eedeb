"""Who has an address by DHCP, for the page. Pure.

Names are whatever their machines say, so they are never believed to be harmless. Hardware addresses are left out: they
tell a machine wherever it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network

from appliance.model import Appliance
from firstboot.cable import segments
from firstboot.facts import Facts, Gateway
from firstboot.hosts import Leased, leased
from firstboot.served import CABLE_DOMAIN
from firstboot.topology import subnets

SHOWN = 100


@dataclass(frozen=True)
class Lease:
    """A machine that has one. `name`: "" for none; `addresses`: those of IPv6 too, as far as they are known.

    `until`: as ISO 8601 has it, in UTC; "" for one that never ends.
    """

    name: str
    addresses: tuple[str, ...]
    until: str


@dataclass(frozen=True)
class Leases:
    """Those of the first network that is served, one by one; of all, the number by their networks' domains.

    Whoever is on another network, as guests are, is not told who is on the first one's neighbours.
    """

    shown: tuple[Lease, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many there are on all networks."""
        return sum(self.numbers.values())


def leases(lines: Iterable[str], appliance: Appliance, facts: Facts) -> Leases:
    """From the lines of dnsmasq's file."""
    networks = dict(_networks(appliance, facts))
    numbers = Counter(dict.fromkeys(networks.values(), 0))
    first = next(iter(networks.values()), "")
    found = []
    for each in leased(lines):
        domain = next((domain for network, domain in networks.items() if each.address in network), "")
        if domain and each.until.isdecimal():
            numbers[domain] += 1
            found += [_lease(each, facts.hosts)] if domain == first else []
    return Leases(tuple(found[:SHOWN]), dict(numbers))


def _networks(appliance: Appliance, facts: Facts) -> Iterator[tuple[IPv4Network, str]]:
    """Those that are served with IPv4, and their domains, in their order."""
    for subnet in subnets(appliance, facts):
        if subnet.ipv4 is not None and subnet.lan.dhcp4 is not None:
            yield subnet.ipv4.network, subnet.lan.domain
    for segment in segments(appliance, facts):
        yield segment.ipv4.network, CABLE_DOMAIN


def _lease(each: Leased, hosts: Mapping[str, Sequence[Gateway]]) -> Lease:
    known = hosts.get(each.name.lower(), ())
    addresses = known if each.address in known else (each.address,)
    return Lease(each.name, tuple(map(str, addresses)), _time(int(each.until)))


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
    except (OverflowError, ValueError, OSError):
        return ""
