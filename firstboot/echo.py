"""Asking a host whether it is there, by ICMPv6 echo (RFC 4443, 4.1)."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from ipaddress import IPv6Address

ECHO_REQUEST, ECHO_REPLY = 128, 129
ICMPV6_FILTER = 1
TRIES = 2
TIMEOUT_S = 1.0


def answers(address: IPv6Address) -> bool:
    """Whether the host answers one of `TRIES` requests, each within `TIMEOUT_S`."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, _only(ECHO_REPLY))
        identifier = int.from_bytes(os.urandom(2), "big")
        return any(_asked(sock, address, identifier, number) for number in range(TRIES))


def _asked(sock: socket.socket, address: IPv6Address, identifier: int, number: int) -> bool:
    request = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, number)  # the kernel fills in the checksum
    deadline = time.monotonic() + TIMEOUT_S
    try:
        sock.sendto(request, (str(address), 0))
        while (left_s := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left_s)[0]:
            reply, source = sock.recvfrom(1500)
            if IPv6Address(source[0]) == address and reply[4:6] == request[4:6]:
                return True
    except OSError:  # no route, or the interface is down
        return False
    return False


def _only(kind: int) -> bytes:
    """A filter that blocks every type but one (RFC 3542, 3.2): a bit set means blocked."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)
