"""Asking IPv6 hosts on a link whether they are there (neighbour solicitation, RFC 4861)."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv6Address, IPv6Network

SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_LINK_LAYER_ADDRESS = 1
ICMP6_FILTER = 1
SIOCGIFHWADDR = 0x8927
HOP_LIMIT = 255
"""Neighbours believe only what has crossed no router (RFC 4861, 7.1.1)."""
SOLICITED_NODE = IPv6Network("ff02::1:ff00:0/104")
_MESSAGE = struct.Struct("!BBHI16s")


class Ndp:
    """Questions to hosts on an interface, and their answers. Raises OSError."""

    def __init__(self, interface: str, targets: Collection[IPv6Address]) -> None:
        self.socket, self._targets = _socket(interface), {host.packed: host for host in targets}
        self._index, self._interface = socket.if_nametoindex(interface), interface
        self._questions: list[tuple[bytes, str]] = []
        self._answered = False

    def ask(self) -> None:
        """Ask all of them, each by the group that hardly anybody else listens to."""
        if not self._answered:  # by now the interface may have another hardware address to answer to
            self._questions = list(self._written())
        self._answered = False
        for message, group in self._questions:
            self.socket.sendto(message, (group, 0, 0, self._index))

    def _written(self) -> Iterator[tuple[bytes, str]]:
        option = struct.pack("!BB6s", SOURCE_LINK_LAYER_ADDRESS, 1, _mac(self.socket, self._interface))
        for target in self._targets:
            group = IPv6Address(int(SOLICITED_NODE.network_address) | int.from_bytes(target[-3:], "big"))
            yield _MESSAGE.pack(SOLICITATION, 0, 0, 0, target) + option, str(group)  # the kernel adds the checksum

    def hear(self) -> IPv6Address | None:
        """Who answers, once there is something to read; None if it is none of them."""
        who = self._targets.get(self.socket.recv(64)[8:24])
        self._answered = self._answered or who is not None
        return who


def _socket(interface: str) -> socket.socket:
    """A socket for ICMPv6 on an interface, to which the kernel lets through nothing but advertisements."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    try:
        blocked = bytearray(b"\xff" * 32)  # a bit a type, in 32-bit words of the machine's order; 1: block (RFC 3542)
        word = struct.pack("=I", 0xFFFFFFFF & ~(1 << (ADVERTISEMENT % 32)))
        blocked[ADVERTISEMENT // 32 * 4 : ADVERTISEMENT // 32 * 4 + 4] = word
        made.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, bytes(blocked))
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except BaseException:
        made.close()
        raise
    return made


def _mac(sock: socket.socket, interface: str) -> bytes:
    answer = fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("16s16x8x", interface.encode()))
    return answer[18:24]
