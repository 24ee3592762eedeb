"""The machines inside that have a name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from firstboot.facts import Gateway
from firstboot.hosts import by_hardware, hosts

LEASES = """\
1764081234 02:00:00:00:00:20 192.168.2.20 NAS 01:02:00:00:00:00:20
1764081235 02:00:00:00:00:21 192.168.2.21 * *
1764081236 02:00:00:00:00:22 192.168.2.22 nas *
duid 00:01:00:01:2c:7f
1764081237 123456 2001:db8::9 printer 00:01
not a lease
"""
OWN = IPv6Address("2001:db8:123d:abc::20")
TEMPORARY = IPv6Address("2001:db8:123d:abc:1:2:3:4")


def test_a_name_is_the_addresses_of_its_network_card() -> None:
    neighbours: list[tuple[str, Gateway]] = [
        ("02:00:00:00:00:20", OWN),
        ("02:00:00:00:00:20", TEMPORARY),
        ("02:00:00:00:00:20", IPv6Address("fe80::20")),
        ("02:00:00:00:00:20", IPv4Address("192.168.2.20")),
        ("02:00:00:00:00:21", IPv6Address("2001:db8:123d:abc::21")),
    ]
    found = hosts(LEASES.splitlines(), by_hardware(neighbours))
    assert found == {"nas": (IPv4Address("192.168.2.20"), OWN, TEMPORARY)}


def test_without_neighbours_it_is_what_dhcp_gave() -> None:
    assert hosts(LEASES.splitlines(), {}) == {"nas": (IPv4Address("192.168.2.20"),)}
