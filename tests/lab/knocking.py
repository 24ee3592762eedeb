"""A program: put frames on a wire again and again, until it is ended, and tell which packets come by it that are
from or for one of the strangers, bare or in a tunnel: `knocking INTERFACE STRANGER,… ASKED,… FRAME…`.

Whoever takes an address of IPv6 meanwhile is asked there, for each of ASKED (`tcp/22`; "": nothing).

Each line is JSON: `{"sent": …}`, a few times a second, `{"found": …}`, with that address, or `{"came": …}`, with the
packet's digits.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from firstboot.policy.decision import Packet
from tests.lab.wire import ALL, opened
from tests.netns.packets import frames

EVERY_S = 0.05
ETHERNET_BYTES, IPV4_BYTES, IPV6_IN_IPV4 = 14, 20, 41
ICMPV6, NEIGHBOUR_SOLICITATION, SOLICITATION_BYTES = 58, 135, 64
NUMBER = 1024
"""What every packet is known by."""

Address = IPv4Address | IPv6Address


def ends(packet: bytes) -> Iterator[bytes]:
    """The addresses of a packet, and of the one inside."""
    if packet and packet[0] >> 4 == 4 and len(packet) >= IPV4_BYTES:
        yield from (packet[12:16], packet[16:20])
        if packet[9] == IPV6_IN_IPV4:
            yield from ends(packet[IPV4_BYTES:])
    elif packet and packet[0] >> 4 == 6:
        yield from (packet[8:24], packet[24:40])


def taken(packet: bytes) -> Iterator[IPv6Address]:
    """The address that whoever sent this takes, as he asks from no address whether another has it (RFC 4862, 5.4.3)."""
    is_from_nobody = len(packet) >= SOLICITATION_BYTES and packet[0] >> 4 == 6 and not any(packet[8:24])
    if is_from_nobody and (packet[6], packet[40]) == (ICMPV6, NEIGHBOUR_SOLICITATION):
        yield IPv6Address(packet[48:64])


def questions(strangers: Sequence[Address], address: IPv6Address, asked: Sequence[str], mac: bytes) -> Iterator[bytes]:
    """The frames that ask for each of these there."""
    for stranger in strangers:
        for protocol, port in (each.split("/") for each in asked if stranger.version == address.version):
            yield from frames(Packet(stranger, address, protocol, port=int(port)), NUMBER, mac)


def knock(interface: str, strangers: Sequence[Address], asked: Sequence[str], sending: Sequence[bytes]) -> None:
    """For ever."""
    sent, begun, wanted = 0, time.monotonic(), {stranger.packed for stranger in strangers}
    found: dict[IPv6Address, list[bytes]] = {}
    with opened(interface, ALL) as wire:
        while True:
            for each in (*sending, *(frame for more in found.values() for frame in more)):
                with suppress(OSError):  # nobody has the other end yet
                    wire.send(each)
                    sent += 1
            tell(sent=sent)
            begun += EVERY_S
            while (left_s := begun - time.monotonic()) > 0:
                frame = heard(wire, left_s)
                packet = frame[ETHERNET_BYTES:]
                if wanted & set(ends(packet)):
                    tell(came=packet.hex())
                for address in taken(packet) if asked else ():
                    found[address] = list(questions(strangers, address, asked, frame[6:12]))
                    tell(found=str(address))


def heard(wire: socket.socket, timeout_s: float) -> bytes:
    """The next frame that another has sent, if one comes within that time."""
    wire.settimeout(timeout_s)
    with suppress(OSError):
        frame, where = wire.recvfrom(65536)
        if where[2] != socket.PACKET_OUTGOING:
            return frame
    return b""


def tell(**what: object) -> None:
    """As a line."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    who, what, words = sys.argv[2].split(","), sys.argv[3].split(","), sys.argv[4:]
    knock(
        sys.argv[1], [ip_address(name) for name in who], [*filter(None, what)], [bytes.fromhex(word) for word in words]
    )
