"""A program: put packets on a wire, byte by byte: `wire INTERFACE FRAME…`, in hexadecimal digits.

`wire - DATAGRAM…`: they are this machine's own, and go where they say. Only the standard library: it runs in a guest
as well.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

OURS = 1
"""The mark of what is sent as the machine's own: it tells it from its answers."""

NONE, ALL = 0, 3
"""Which frames are heard: ETH_P_ALL in linux/if_ether.h."""


def opened(interface: str, heard: int = NONE) -> socket.socket:
    """What takes frames for the wire, and hears some or none."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, heard))
    return wire


def send(interface: str, frames: Sequence[bytes]) -> None:
    """Put them on the wire."""
    with opened(interface) as wire:
        for each in frames:
            wire.send(each)


def send_from_here(datagrams: Sequence[bytes]) -> None:
    """As the machine's own."""
    for each in datagrams:
        family = socket.AF_INET if each[0] >> 4 == 4 else socket.AF_INET6
        target = socket.inet_ntop(family, each[16:20] if family == socket.AF_INET else each[24:40])
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as wire, suppress(PermissionError):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, OURS)
            wire.sendto(each, (target, 0))  # what the firewall denies, the sender is told


if __name__ == "__main__":
    place, packets = sys.argv[1], [bytes.fromhex(word) for word in sys.argv[2:]]
    send_from_here(packets) if place == "-" else send(place, packets)
