"""The stand-in refuses what the real tunnel server would refuse."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from image.lab import site as places
from image.lab.cables import NIC, ip
from image.lab.forge import echo_request
from image.lab.gateway import Lab
from image.lab.outside import Outside
from image.lab.sixinfour import RefusedError, Registration, unwrap
from image.lab.topology import CLIENT, INTERNET, PROVIDER, TUNNEL_DEVICE
from image.lab.waiting import until

PI = IPv4Address("192.168.1.252")
REGISTRATION = Registration(
    IPv4Address("203.0.113.2"), (IPv6Network("2001:db8:123c:abd::/64"), IPv6Network("2001:db8:123d:abc::/64"))
)
INSIDE, SERVER = IPv6Address("2001:db8:123d:abc::5"), IPv6Address("2001:db8:ffff::80")


def outer(inner: bytes, source: str = "203.0.113.2", options: bytes = b"") -> bytes:
    """An IPv4 packet as a raw socket delivers it; only what is read of its header is filled in."""
    header = bytes([0x45 + len(options) // 4]) + bytes(11) + IPv4Address(source).packed + bytes(4)
    return header + options + inner


@pytest.mark.parametrize("options", [b"", bytes(8)])
@pytest.mark.parametrize("size_bytes", [64, 1480])
def test_accepts(options: bytes, size_bytes: int) -> None:
    packet = echo_request(INSIDE, SERVER, size_bytes=size_bytes)
    assert unwrap(outer(packet, options=options), REGISTRATION) == packet


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (outer(echo_request(INSIDE, SERVER), source="203.0.113.9"), "outer-source"),
        (outer(echo_request(IPv6Address("2001:db8:bad::1"), SERVER)), "inner-source"),
        (outer(echo_request(IPv6Address("2001:db8:123d:abd::5"), SERVER)), "inner-source"),
        (outer(echo_request(IPv6Address("fe80::1"), SERVER)), "link-local"),
        (outer(echo_request(INSIDE, SERVER, size_bytes=1482)), "too-big"),
        (outer(echo_request(INSIDE, SERVER)[:-1]), "truncated"),
        (outer(echo_request(INSIDE, SERVER)[:39]), "truncated"),
        (outer(b"\x45" + bytes(63)), "not-ipv6"),
        (b"\x45", "truncated"),
    ],
)
def test_refuses(packet: bytes, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        unwrap(packet, REGISTRATION)
    assert refused.value.reason == reason


@pytest.mark.netns
class TestOnTheWire:
    """Packets that somebody behind the home router, which has the registered address, or a stranger sends."""

    @pytest.fixture(autouse=True)
    def pi(self, lab: Lab) -> None:
        """A host of ours at the Pi's place."""
        ip(lab.world, CLIENT, "address", "replace", str(lab.site.pi_uplink), "dev", NIC)
        ip(lab.world, CLIENT, "route", "replace", "default", "via", str(lab.site.router))

    @pytest.mark.parametrize(
        ("namespace", "outer_source", "source", "reason"),
        [
            (CLIENT, PI, "2001:db8:bad::1", "inner-source"),
            (INTERNET, places.STRANGER, "2001:db8:123d:abc::5", "outer-source"),
        ],
    )
    def test_refuses(self, lab: Lab, namespace: str, outer_source: IPv4Address, source: str, reason: str) -> None:
        before = lab.outside.refused()[reason]
        lab.outside.forge(
            namespace=namespace,
            outer_source=outer_source,
            outer_target=lab.site.tunnel_server,
            source=IPv6Address(source),
            target=places.SERVER.ip,
        )
        until(lambda: lab.outside.refused()[reason] == before + 1, f"{reason} counted", timeout_s=5)

    def test_passes_on(self, lab: Lab) -> None:
        """The counterpart: what is right reaches the server, whose answer comes back through the tunnel."""
        before = answers(lab.outside)
        lab.outside.forge(
            namespace=CLIENT,
            outer_source=PI,
            outer_target=lab.site.tunnel_server,
            source=INSIDE,
            target=places.SERVER.ip,
        )
        # The kernel may send a packet of its own (multicast listener reports) beside the answer.
        until(lambda: answers(lab.outside) > before, "an answer goes into the tunnel", timeout_s=5)


def answers(outside: Outside) -> int:
    """How many packets the kernel sent into the tunnel."""
    [device] = json.loads(ip(outside.world, PROVIDER, "-json", "-stats", "link", "show", TUNNEL_DEVICE))
    return int(device["stats64"]["tx"]["packets"])
