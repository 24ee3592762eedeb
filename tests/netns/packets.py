"""Packets as the policy's `decide` speaks of them, put on a wire byte by byte."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from firstboot.policy.decision import Packet
from firstboot.policy.rules import ICMP
from image.lab.forge import checksum
from tests.lab.wire import opened

_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_IPV6_IN_IPV4 = 41
_TCP_SYN, _TCP_ACK = 0x02, 0x10
_TCP_MSS = struct.pack("!BBH", 2, 4, 1460)
"""The option with which every real connection is opened (RFC 9293, 3.7.1)."""


def frame(packet: Packet, number: int, target: bytes) -> bytes:
    """An Ethernet frame; `number` (up to 65535) is what it is known by: the source port, or the id of an echo."""
    return framed(datagram(packet, number), target)


def datagram(packet: Packet, number: int) -> bytes:
    """The same without the frame around it."""
    payload = _transport(packet, number)
    return _ipv4(packet, payload) if packet.family == 4 else _ipv6(packet, payload)


def tunnelled(datagram: bytes, server: IPv4Address, box: IPv4Address) -> bytes:
    """A datagram of IPv6 in one of IPv4."""
    return _ipv4(Packet(server, box, str(_IPV6_IN_IPV4)), datagram)


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
    if packet.protocol == "tcp":
        flags, options = (_TCP_SYN, _TCP_MSS) if packet.opening else (_TCP_ACK, b"")
        words = (20 + len(options)) // 4
        header = struct.pack("!HHIIBBHHH", number, packet.port, 1, 0, words << 4, flags, 1024, 0, 0)
        return _summed(packet, header + options, 16)
    if packet.protocol == "udp":
        return _summed(packet, struct.pack("!HHHH", number, packet.port, 8, 0), 6)
    if packet.protocol == "icmp":
        header = struct.pack("!BBHHH", packet.type, 0, 0, number, 1) + _quoted(packet)
        return _summed(packet, header, 2, pseudo=packet.family == 6)
    return bytes(20)


def _quoted(packet: Packet) -> bytes:
    """Errors quote what they are about; that nobody knows."""
    is_error = packet.type in ((3, 11, 12) if packet.family == 4 else (1, 2, 3, 4))
    return bytes(48) if is_error else b""


def _summed(packet: Packet, header: bytes, at: int, *, pseudo: bool = True) -> bytes:
    protocol = protocol_number(packet)
    ends = packet.source.packed + packet.destination.packed
    if packet.family == 4:
        before = ends + struct.pack("!BBH", 0, protocol, len(header))
    else:
        before = ends + struct.pack("!I3xB", len(header), protocol)
    found = checksum((before if pseudo else b"") + header)
    return header[:at] + found + header[at + 2 :]


def _ipv4(packet: Packet, payload: bytes) -> bytes:
    assert isinstance(packet.source, IPv4Address)
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        0,
        0,
        packet.hops,
        protocol_number(packet),
        0,
        packet.source.packed,
        packet.destination.packed,
    )
    return header[:10] + checksum(header) + header[12:] + payload


def _ipv6(packet: Packet, payload: bytes) -> bytes:
    assert isinstance(packet.source, IPv6Address)
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol_number(packet), packet.hops)
    return head + packet.source.packed + packet.destination.packed + payload
