"""A program: put frames on a wire again and again, until it is ended, and tell which packets come by it that are
from or for one of the strangers, bare or in a tunnel: `knocking INTERFACE STRANGER,… FRAME…`.

Each line is JSON: `{"sent": …}`, a few times a second, or `{"came": …}`, with the packet's digits.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from ipaddress import ip_address

from tests.lab.wire import ALL, opened

EVERY_S = 0.05
ETHERNET_BYTES, IPV4_BYTES, IPV6_IN_IPV4 = 14, 20, 41


def ends(packet: bytes) -> Iterator[bytes]:
    """The addresses of a packet, and of the one inside."""
    if packet and packet[0] >> 4 == 4 and len(packet) >= IPV4_BYTES:
        yield from (packet[12:16], packet[16:20])
        if packet[9] == IPV6_IN_IPV4:
            yield from ends(packet[IPV4_BYTES:])
    elif packet and packet[0] >> 4 == 6:
        yield from (packet[8:24], packet[24:40])


def knock(interface: str, strangers: Set[bytes], frames: Sequence[bytes]) -> None:
    """For ever."""
    sent, begun = 0, time.monotonic()
    with opened(interface, ALL) as wire:
        while True:
            for each in frames:
                with suppress(OSError):  # nobody has the other end yet
                    wire.send(each)
                    sent += 1
            print(json.dumps({"sent": sent}), flush=True)
            begun += EVERY_S
            while (left_s := begun - time.monotonic()) > 0:
                wire.settimeout(left_s)
                with suppress(OSError):
                    frame, where = wire.recvfrom(65536)
                    if where[2] != socket.PACKET_OUTGOING and strangers & set(ends(frame[ETHERNET_BYTES:])):
                        print(json.dumps({"came": frame[ETHERNET_BYTES:].hex()}), flush=True)


if __name__ == "__main__":
    names, words = sys.argv[2].split(","), sys.argv[3:]
    knock(sys.argv[1], {ip_address(name).packed for name in names}, [bytes.fromhex(word) for word in words])
