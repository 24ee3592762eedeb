"""What a tunnel server accepts over 6in4, and what it refuses: RFC 4213 and BCP 38 (RFC 2827).

Pure: packets in, a reason out. `tunnel_server` does the sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

IPV4_HEADER_MIN = 20
IPV6_HEADER = 40
MTU = 1480
"""Largest IPv6 packet in bytes inside the tunnel: an Ethernet frame's 1500 less the outer IPv4 header."""
OUTER_TTL = 255


@dataclass(frozen=True)
class Registration:
    """What the broker knows of one tunnel: its client's IPv4 address, and the prefixes that may come out of it.

    Without an address there is no such tunnel, and nothing is accepted.
    """

    endpoint: IPv4Address | None
    prefixes: tuple[IPv6Network, ...]


class RefusedError(Exception):
    """The packet is dropped."""

    def __init__(self, reason: str, found: str) -> None:
        """`reason` is a word to count it by, `found` what the packet had."""
        super().__init__(reason, found)
        self.reason = reason
        self.found = found


def unwrap(packet: bytes, registration: Registration) -> bytes:
    """The IPv6 packet in an IPv4 packet of protocol 41, as a raw socket delivers it; RefusedError if it is dropped."""
    if len(packet) < IPV4_HEADER_MIN:
        raise RefusedError("truncated", f"{len(packet)} bytes")
    source = IPv4Address(packet[12:16])
    if source != registration.endpoint:
        raise RefusedError("outer-source", str(source))
    inner = packet[(packet[0] & 0x0F) * 4 :]
    if len(inner) < IPV6_HEADER:
        raise RefusedError("truncated", f"{len(inner)} bytes inside")
    if inner[0] >> 4 != 6:
        raise RefusedError("not-ipv6", f"version {inner[0] >> 4}")
    if IPV6_HEADER + int.from_bytes(inner[4:6], "big") != len(inner):
        raise RefusedError(
            "truncated", f"{len(inner)} bytes, announced {IPV6_HEADER + int.from_bytes(inner[4:6], 'big')}"
        )
    if len(inner) > MTU:
        raise RefusedError("too-big", f"{len(inner)} bytes")
    refuse_foreign_source(IPv6Address(inner[8:24]), registration)
    return inner


def refuse_foreign_source(source: IPv6Address, registration: Registration) -> None:
    """`RefusedError` when the client may not send with this source (BCP 38)."""
    if source.is_link_local:
        raise RefusedError("link-local", str(source))  # router solicitations and MLD: ordinary, and nobody answers
    if not any(source in prefix for prefix in registration.prefixes):
        raise RefusedError("inner-source", str(source))
