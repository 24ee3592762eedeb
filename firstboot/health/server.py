"""Asking the tunnel's server over IPv4, and how far packets get on the way to it: echoes, and the tunnel's own.

Packets that may live for a few hops only end on the way, and each router there says so (RFC 792, type 11); so does who
refuses to pass something on (type 3). They quote the beginning of the packet, by which ours are known.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from firstboot.checksum import checksum
from firstboot.health.evidence import Objection, Trace

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
FRAGMENTATION_NEEDED = 4
DONT_FRAGMENT, IPV6_HEADER_BYTES = 0x4000, 40
ICMP_FILTER, SOL_RAW = 1, 255  # <linux/icmp.h>
PROTOCOL_41 = socket.IPPROTO_IPV6
HOPS = range(1, 7)
"""Of these numbers of hops it is looked who is there: homes, and what their providers have next to them."""

_MARK = 0xA7100
"""The beginning of the flow labels (RFC 6437) of our packets, which end with the number of hops."""
_NEXT_IS_ICMPV6, _ECHO6 = 58, 128


class Server:
    """The tunnel's server, asked from an address of ours. Raises OSError."""

    def __init__(self, local: IPv4Address, server: IPv4Address, identifier: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        self._local, self._server, self._identifier = local, server, identifier
        self.answered = False
        self.objections: set[Objection] = set()
        self.told_too_large = False
        """Somebody has said that a packet of the tunnel's was: the kernel heeds that, and tells who sent it."""
        self._ends: dict[int, dict[int, IPv4Address]] = {socket.IPPROTO_ICMP: {}, PROTOCOL_41: {}}
        """By protocol and number of hops: who said that a packet ended there."""
        try:
            heard = 1 << ECHO_REPLY | 1 << UNREACHABLE | 1 << TIME_EXCEEDED
            self.socket.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~heard))
            self.socket.bind((str(local), 0))
            self.socket.setblocking(False)
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Hear nothing any more."""
        self.socket.close()

    @property
    def trace(self) -> Trace:
        """Where packets ended."""
        return Trace(self._ends[socket.IPPROTO_ICMP], self._ends[PROTOCOL_41])

    def ask(self, hops: int = 0) -> None:
        """Send an echo request that may live for so many hops (0: as many as it takes)."""
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops or 64)
        content = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, self._identifier, hops)
        request = content[:2] + struct.pack("!H", checksum(content)) + content[4:]
        self.socket.sendto(request, (str(self._server), 0))

    def follow(self, own: IPv6Address, far_end: IPv6Address) -> None:
        """Send echo requests and packets of the tunnel's that end at each of `HOPS`."""
        for hops in HOPS:
            self.ask(hops)
            self._send_through_the_tunnel(hops, _echo6((own, far_end), _MARK | hops, self._identifier, 0))

    def ask_far_end(self, own: IPv6Address, far_end: IPv6Address, number: int, size: int) -> None:
        """Have the far end asked by an IPv6 packet of so many bytes, whatever the interface's MTU is."""
        try:
            self._send_through_the_tunnel(255, _echo6((own, far_end), 0, self._identifier, number, size))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            self.told_too_large = True

    def _send_through_the_tunnel(self, hops: int, inner: bytes) -> None:
        # The kernel fills in the total length, the identification and the checksum (raw(7)).
        outer = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, DONT_FRAGMENT, hops, PROTOCOL_41, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as raw:
            raw.sendto(outer + self._local.packed + self._server.packed + inner, (str(self._server), 0))

    def hear(self) -> None:
        """Take in one message, once there is something to read."""
        try:
            packet = self.socket.recv(2048)
        except OSError:
            return
        sender, content = IPv4Address(packet[12:16]), packet[(packet[0] & 0x0F) * 4 :]
        if len(content) < 8:
            return
        kind, code = content[:2]
        if kind == ECHO_REPLY:
            if sender == self._server and content[4:6] == struct.pack("!H", self._identifier):
                self.answered = True
            return
        quoted = content[8:]
        if len(quoted) >= 28 and quoted[16:20] == self._server.packed:
            self._take_in(sender, kind, code, quoted[9], quoted[(quoted[0] & 0x0F) * 4 :])

    def _take_in(self, sender: IPv4Address, kind: int, code: int, protocol: int, quoted: bytes) -> None:
        if kind == TIME_EXCEEDED:
            hops = hops_of_41(quoted) if protocol == PROTOCOL_41 else hops_of_echo(quoted, self._identifier)
            if hops in HOPS and protocol in self._ends:
                self._ends[protocol][hops] = sender
        elif protocol == PROTOCOL_41 and code == FRAGMENTATION_NEEDED:
            self.told_too_large = True
        elif protocol == PROTOCOL_41:
            self.objections.add(Objection(sender, code))


def hops_of_echo(quoted: bytes, identifier: int) -> int:
    """How many hops our echo request was to live for; 0: it is none of ours. Whoever quotes it may quote nothing."""
    if len(quoted) < 8 or quoted[0] != ECHO_REQUEST or int.from_bytes(quoted[4:6], "big") != identifier:
        return 0
    return int.from_bytes(quoted[6:8], "big")


def hops_of_41(quoted: bytes) -> int:
    """The same of a packet of the tunnel's."""
    label = int.from_bytes(quoted[1:4], "big") & 0xFFFFF
    return label & 0xFF if (label & ~0xFF) == _MARK else 0


def _echo6(ends: tuple[IPv6Address, IPv6Address], label: int, identifier: int, number: int, size: int = 0) -> bytes:
    """A whole IPv6 packet with an echo request, of so many bytes or the least."""
    content = struct.pack("!BBHHH", _ECHO6, 0, 0, identifier, number)
    content += bytes(max(0, size - IPV6_HEADER_BYTES - len(content)))
    addresses = ends[0].packed + ends[1].packed
    pseudo = addresses + struct.pack("!I3xB", len(content), _NEXT_IS_ICMPV6)
    content = content[:2] + struct.pack("!H", checksum(pseudo + content)) + content[4:]
    return struct.pack("!IHBB", 6 << 28 | label, len(content), _NEXT_IS_ICMPV6, 64) + addresses + content
