"""A program: ask everybody on a link for a name's IPv4 address by multicast DNS, and print what is answered.

Run in the guest, in a laptop's network; only the standard library. dig cannot: it takes an answer only from the
address that it asked. The question is that of RFC 6762, 6.7 ("legacy unicast"), so that the answer comes to us alone.
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address

GROUP, PORT = "224.0.0.251", 5353
A, IN = 1, 1
TRIES, WAIT_S = 3, 2.0


def question(name: str) -> bytes:
    """A query with one question (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", A, IN)


def answer(message: bytes, asked: bytes) -> IPv4Address | None:
    """The address in the first answer of a message that repeats our question."""
    count = struct.unpack_from("!H", message, 6)[0]
    rest = message[len(asked) :]
    if not count or message[12 : len(asked)] != asked[12:]:
        return None
    record = rest[2:]  # after a pointer to the name that was asked for
    kind, _, _, length = struct.unpack_from("!HHIH", record)
    return IPv4Address(record[10:14]) if (kind, length) == (A, 4) else None


def ask(name: str, interface: str) -> IPv4Address | None:
    """What is answered within a few seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        number = struct.pack("@4s4si", bytes(4), bytes(4), socket.if_nametoindex(interface))  # struct ip_mreqn
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, number)
        line.settimeout(WAIT_S)
        asked = question(name)
        for _ in range(TRIES):
            line.sendto(asked, (GROUP, PORT))
            try:
                return answer(line.recv(9000), asked)
            except TimeoutError:
                continue
    return None


if __name__ == "__main__":
    print(ask(sys.argv[1], sys.argv[2]) or "")
