"""Whose offer a packet is; the cable's other end may send anything."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.dhcp import offered_by

TRANSACTION, SERVER = b"\x01\x02\x03\x04", IPv4Address("192.168.137.1")
MAGIC = bytes([99, 130, 83, 99])


def packet(
    *, port: int = 68, reply: int = 2, transaction: bytes = TRANSACTION, kind: int = 2, options: bytes | None = None
) -> bytes:
    """An answer of a DHCP server's, with an IP header of 24 bytes."""
    if options is None:
        options = bytes([0, 53, 1, kind, 51, 4, 0, 0, 0, 9, 54, 4]) + SERVER.packed + b"\xff"
    bootp = bytes([reply, 1, 6, 0]) + transaction + bytes(228) + MAGIC + options
    header = bytes([0x46, 0, 0, 0, 0, 0, 0, 0, 64, 17]) + bytes(14)
    return header + struct.pack("!HHHH", 67, port, 8 + len(bootp), 0) + bootp


def test_an_offer() -> None:
    assert offered_by(packet(), TRANSACTION) == SERVER


@pytest.mark.parametrize(
    "other",
    [
        packet(port=69),
        packet(reply=1),
        packet(transaction=b"nope"),
        packet(kind=5),
        packet(options=bytes([53, 1, 2, 54, 9, 1])),
        packet(options=bytes([53, 1, 2])),
        packet(options=bytes([53])),
        packet()[:200],
        b"",
    ],
    ids=["port", "request", "another's", "ack", "cut off", "no server", "no length", "short", "empty"],
)
def test_no_offer(other: bytes) -> None:
    assert offered_by(other, TRANSACTION) is None


@given(st.binary(max_size=400), st.binary(max_size=60))
def test_any_bytes(noise: bytes, options: bytes) -> None:
    assert offered_by(noise, TRANSACTION) is None
    offered_by(packet(options=options), TRANSACTION)
