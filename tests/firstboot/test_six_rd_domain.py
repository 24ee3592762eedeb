"""6rd's arithmetic (RFC 5969, 4), and what DHCP says of it (7.1.1): anybody on the link may have sent that."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.tunnels.domain import Domain, read

RELAY = IPv4Address("10.0.0.1")


def domain(prefix: str, mask: int, *relays: str) -> Domain:
    return Domain(IPv6Network(prefix), mask, tuple(map(IPv4Address, relays or (str(RELAY),))))


def option(mask: int = 8, length: int = 32, prefix: str = "2001:db8::", *relays: str) -> bytes:
    packed = b"".join(IPv4Address(relay).packed for relay in relays or (str(RELAY),))
    return bytes([mask, length]) + IPv6Address(prefix).packed + packed


@pytest.mark.parametrize(
    ("prefix", "mask", "address", "delegated"),
    [
        ("2001:db8::/32", 0, "10.100.100.1", "2001:db8:a64:6401::/64"),
        ("2001:db8::/32", 8, "10.100.100.1", "2001:db8:6464:100::/56"),
        ("2001:db8::/32", 12, "10.100.100.1", "2001:db8:4640:1000::/52"),
        ("2001:db8:ff00::/40", 16, "10.1.2.3", "2001:db8:ff02:300::/56"),
        ("2001:db8:0:100::/56", 24, "192.0.2.255", "2001:db8:0:1ff::/64"),
        ("2001:db8:0:1::/64", 32, "192.0.2.1", "2001:db8:0:1::/64"),
        ("2602::/24", 0, "203.0.113.5", "2602:cb:71:500::/56"),
        ("2a01:c000::/19", 0, "255.255.255.255", "2a01:dfff:ffff:e000::/51"),
        ("2a01:c000::/19", 0, "0.0.0.0", "2a01:c000::/51"),
    ],
)
def test_a_customers_prefix(prefix: str, mask: int, address: str, delegated: str) -> None:
    assert domain(prefix, mask).delegated(IPv4Address(address)) == IPv6Network(delegated)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(16, 64))
def test_customers_have_prefixes_of_their_own(one: int, other: int, mask: int, length: int) -> None:
    length = min(length, 32 + mask)
    found = domain(str(IPv6Network(("2001:db8::", length), strict=False)), mask)
    first, second = IPv4Address(one), IPv4Address(other)
    assert found.delegated(first).subnet_of(found.prefix)
    if second in found.customers(first):
        assert (found.delegated(first) == found.delegated(second)) is (first == second)


def test_who_may_send_to_whom() -> None:
    assert domain("2001:db8::/32", 8).customers(IPv4Address("10.100.100.1")) == IPv4Network("10.0.0.0/8")
    assert domain("2001:db8::/32", 0).customers(IPv4Address("10.100.100.1")) == IPv4Network("0.0.0.0/0")


def test_a_relay_is_asked_for_by_its_prefix_where_it_has_one() -> None:
    own = IPv4Address("10.100.100.1")
    assert domain("2001:db8::/32", 8, "10.0.0.1").anycast(own) == IPv6Address("2001:db8:0:100::")
    assert domain("2001:db8::/32", 0, "192.0.2.1").anycast(own) == IPv6Address("2001:db8:c000:201::")
    assert domain("2001:db8::/32", 8, "192.0.2.1").anycast(own) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (option(), domain("2001:db8::/32", 8)),
        (option(0, 32), domain("2001:db8::/32", 0)),
        (option(32, 64), domain("2001:db8::/64", 32)),
        (option(8, 32, "2001:db8::", "192.0.2.1", "192.0.2.2"), domain("2001:db8::/32", 8, "192.0.2.1", "192.0.2.2")),
        (option(8, 32, "2001:db8:dead:beef::1"), domain("2001:db8::/32", 8)),
        (option(8, 32, "fd00:1::"), domain("fd00:1::/32", 8)),
    ],
    ids=["usual", "all of the address", "none of it", "two relays", "more after the prefix", "a provider's own"],
)
def test_what_an_option_says(content: bytes, said: Domain) -> None:
    assert read(content) == said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has 0 bytes"),
        (option()[:18], "it has 18 bytes"),
        (option() + b"\x0a", "it has 23 bytes"),
        (option(33, 32), "an IPv4 mask of 33 bits"),
        (option(0, 97), "leaves a /129"),
        (option(0, 33), "leaves a /65"),
        (option(255, 255), "an IPv4 mask of 255 bits"),
        (option(8, 0), "::/0 is not a network of global addresses"),
        (option(8, 32, "fe80::"), "fe80::/32 is not"),
        (option(8, 32, "ff0e::"), "ff0e::/32 is not"),
        (option(8, 32, "2001:db8::", "0.0.0.0"), "0.0.0.0 is not the address of a border relay"),
        (option(8, 32, "2001:db8::", "127.0.0.1"), "127.0.0.1 is not"),
        (option(8, 32, "2001:db8::", "169.254.1.1"), "169.254.1.1 is not"),
        (option(8, 32, "2001:db8::", "10.0.0.1", "224.0.0.1"), "224.0.0.1 is not"),
        (option(8, 32, "2001:db8::", "255.255.255.255"), "255.255.255.255 is not"),
    ],
)
def test_nonsense_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(content)


@given(st.binary(max_size=64))
def test_any_bytes(content: bytes) -> None:
    with suppress(ValueError):
        found = read(content)
        assert found.delegated_length <= 64
        assert found.relays
