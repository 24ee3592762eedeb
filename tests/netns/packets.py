"""Packets as the policy's `decide` speaks of them, put on a wire byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from firstboot.policy.decision import Packet
from firstboot.policy.rules import ICMP, State
from image.lab.forge import checksum
from tests.lab.wire import opened

_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_MSS = struct.pack("!BBH", 2, 4, 1460)
"""The option with which every real connection is opened (RFC 9293, 3.7.1)."""
_ROUTING, _FRAGMENT, _OPTIONS = 43, 44, 60
"""Headers of IPv6 that come before the packet's own (RFC 8200, 4.1)."""


@dataclass(frozen=True)
class Crafted(Packet):
    """A packet with what no policy speaks of.

    `flags`: those of TCP. `pieces`: the fragments that it is sent in, each from which byte of what IP carries to which
    one, at most; (): whole. `optional`: whether its own header hides behind one of options. `corrupt`: its checksum is
    wrong. `quoted`: the datagram that an error is about. `size`: how many bytes its own header carries.
    """

    flags: int | None = None
    pieces: Sequence[tuple[int, int]] = ()
    optional: bool = False
    corrupt: bool = False
    quoted: bytes = b""
    size: int = 0


def frame(packet: Packet, number: int, target: bytes) -> bytes:
    """The only Ethernet frame of a packet that is sent whole; `number`: as in `datagrams`."""
    [found] = frames(packet, number, target)
    return found


def frames(packet: Packet, number: int, target: bytes) -> list[bytes]:
    """Its Ethernet frames."""
    return [framed(each, target) for each in datagrams(packet, number)]


def datagrams(packet: Packet, number: int) -> list[bytes]:
    """Without the frames around them. `number`: what it is known by (1 to 65535), from its header and its port."""
    whole = _transport(packet, number)
    pieces = packet.pieces if isinstance(packet, Crafted) else ()
    if packet.family == 4:
        parts = [(first, last, last < len(whole)) for first, last in pieces] or [(0, len(whole), False)]
        return [_ipv4(packet, number, whole[first:last], first, follows) for first, last, follows in parts]
    return list(_ipv6(packet, number, whole, pieces))


def tunnelled(datagram: bytes, server: IPv4Address, box: IPv4Address) -> bytes:
    """A datagram of IPv6 in one of IPv4."""
    return _ipv4(Packet(server, box, "41"), 1, datagram, 0, False)


def framed(datagram: bytes, target: bytes) -> bytes:
    """An Ethernet frame around it."""
    return target + bytes.fromhex("020000000001") + _ETHERTYPES[datagram[0] >> 4].to_bytes(2, "big") + datagram


def mac_of(interface: str) -> bytes:
    """The hardware address of an interface; to be called in the namespace."""
    with opened(interface) as wire:
        return bytes(wire.getsockname()[4])


def protocol_number(packet: Packet) -> int:
    """As the header has it."""
    name = ICMP[packet.family] if packet.protocol == "icmp" else packet.protocol
    return _PROTOCOLS[name] if name in _PROTOCOLS else int(name)


def _transport(packet: Packet, number: int) -> bytes:
    source_port = packet.source_port or number
    carried = bytes(packet.size if isinstance(packet, Crafted) else 0)
    if packet.protocol == "tcp":
        options = _MSS if packet.opening else b""
        words = (20 + len(options)) // 4
        header = struct.pack("!HHIIBBHHH", source_port, packet.port, 1, 0, words << 4, _flags(packet), 1024, 0, 0)
        return _summed(packet, header + options + carried, 16)
    if packet.protocol == "udp":
        return _summed(packet, struct.pack("!HHHH", source_port, packet.port, 8 + len(carried), 0) + carried, 6)
    if packet.protocol == "icmp":
        header = struct.pack("!BBHHH", packet.type, 0, 0, number, 1) + _quoted(packet)
        return _summed(packet, header + carried, 2, pseudo=packet.family == 6)
    return bytes(20) + carried


def _flags(packet: Packet) -> int:
    if isinstance(packet, Crafted) and packet.flags is not None:
        return packet.flags
    if packet.opening:
        return _SYN
    return _RST if packet.state is State.INVALID else _ACK


def _quoted(packet: Packet) -> bytes:
    """Errors quote what they are about: if nothing else is said, what nobody knows."""
    if isinstance(packet, Crafted) and packet.quoted:
        return packet.quoted
    is_error = packet.type in ((3, 5, 11, 12) if packet.family == 4 else (1, 2, 3, 4))
    return bytes(48) if is_error else b""


def _summed(packet: Packet, header: bytes, at: int, *, pseudo: bool = True) -> bytes:
    protocol = protocol_number(packet)
    ends = packet.source.packed + packet.destination.packed
    if packet.family == 4:
        before = ends + struct.pack("!BBH", 0, protocol, len(header))
    else:
        before = ends + struct.pack("!I3xB", len(header), protocol)
    found = checksum((before if pseudo else b"") + header)
    if isinstance(packet, Crafted) and packet.corrupt:
        found = bytes([found[0] ^ 0x55, found[1]])
    return header[:at] + found + header[at + 2 :]


def _ipv4(packet: Packet, number: int, payload: bytes, first: int, follows: bool) -> bytes:
    assert isinstance(packet.source, IPv4Address)
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        number,
        follows << 13 | first // 8,
        packet.hops,
        protocol_number(packet),
        0,
        packet.source.packed,
        packet.destination.packed,
    )
    return header[:10] + checksum(header) + header[12:] + payload


def _ipv6(packet: Packet, number: int, whole: bytes, pieces: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """The number is the flow's label."""
    assert isinstance(packet.source, IPv6Address)
    following, after = protocol_number(packet), b""
    if isinstance(packet, Crafted) and packet.optional:
        following, after = _OPTIONS, bytes([following, 0, 1, 4, 0, 0, 0, 0])
    if packet.routing is not None:
        route = bytes([following, 2, packet.routing, 1, 0, 0, 0, 0]) + packet.destination.packed
        following, after = _ROUTING, route + after
    payload = after + whole
    if not pieces:
        yield _headed(packet, number, following, payload)
    for first, last in pieces:
        place = struct.pack("!BxHI", following, first | (last < len(payload)), number)
        yield _headed(packet, number, _FRAGMENT, place + payload[first:last])


def _headed(packet: Packet, number: int, following: int, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 6 << 28 | number, len(payload), following, packet.hops)
    return head + packet.source.packed + packet.destination.packed + payload
