"""Asking hosts whether they are there, by ICMPv6 echo (RFC 4443, 4.1), through one interface."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

ECHO_REQUEST, ECHO_REPLY = 128, 129
ICMPV6_FILTER = 1


class Echoes:
    """Requests and answers. `identifier` tells them from those of other programs. Raises OSError.

    `own`: from which address they are sent; None: the kernel chooses one.
    """

    def __init__(self, interface: str, identifier: int, own: IPv6Address | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
        self._identifier = identifier
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, _only(ECHO_REPLY))
            if own is not None:
                self.socket.bind((str(own), 0))
            self.socket.setblocking(False)
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Hear nothing any more."""
        self.socket.close()

    def ask(self, address: IPv6Address, number: int) -> None:
        """Send a request with a number."""
        request = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, self._identifier, number)  # the kernel sums it up
        self.socket.sendto(request, (str(address), 0))

    def hear(self) -> tuple[IPv6Address, int] | None:
        """Who answers which number, once there is something to read; None if it is no answer to us."""
        try:
            reply, source = self.socket.recvfrom(2048)
        except OSError:  # an error that a packet of ours met, or nothing after all
            return None
        identifier, number = struct.unpack("!HH", reply[4:8]) if len(reply) >= 8 else (None, 0)
        return (IPv6Address(source[0].partition("%")[0]), number) if identifier == self._identifier else None


def _only(kind: int) -> bytes:
    """A filter that blocks every type but one (RFC 3542, 3.2): a bit set means blocked."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)
