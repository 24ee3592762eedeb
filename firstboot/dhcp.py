"""Asking who gives out addresses on a link (DHCP, RFC 2131), without taking one: who that is, and what else it tells.

No other DHCP client is asked. Each keeps what it was told elsewhere, and NetworkManager asks for a list of options that
nobody can add to.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address

from firstboot.checksum import checksum

ETH_P_IP = 0x0800
CLIENT, SERVER = 68, 67
PATIENCE_S = 4.0
"""dnsmasq makes sure for three seconds that an address is nobody's before it offers it."""
_UDP, _TTL = 17, 64
_REQUEST, _REPLY, _ETHERNET = 1, 2, 1
_BROADCAST_FLAG = 0x8000
"""The answer goes to everybody: we have no address to which it could be sent."""
_MAGIC = bytes([99, 130, 83, 99])
_MESSAGE_TYPE, _SERVER_ID, _WANTED, _END = 53, 54, 55, 255
_IP = struct.Struct("!BBHHHBBH4s4s")
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s192x")
_BOOTP_BYTES = 300
"""Relays may throw away what is shorter (RFC 1542, 2.1)."""
_NOWHERE, _EVERYBODY = IPv4Address(0), IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class _Exchange:
    """The types of a message and of its answer."""

    message: int
    answer: int


_DISCOVERY = _Exchange(1, 2)
"""Who would have an address for me? Nobody keeps what is not asked for after that."""
_INFORMATION = _Exchange(8, 5)
"""I have one already: what else is there to be known? Some servers do not answer that."""


def offers(interface: str, server: IPv4Address) -> bool:
    """Whether that host offers an address there. Raises OSError."""
    return any(_server_of(options) == server for options in _answers(interface, _DISCOVERY, _NOWHERE))


def option(interface: str, own: IPv4Address, code: int) -> bytes | None:
    """What servers there tell of an option to whoever has that address; b"" where they tell nothing of it.

    None: nobody answers. Raises OSError.
    """
    is_answered = False
    for exchange, source in ((_INFORMATION, own), (_DISCOVERY, _NOWHERE)):
        for options in _answers(interface, exchange, source, code):
            is_answered = True
            if code in options:
                return options[code]
    return b"" if is_answered else None


def _answers(interface: str, exchange: _Exchange, source: IPv4Address, *wanted: int) -> Iterator[Mapping[int, bytes]]:
    """The options of all answers that come in time."""
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)) as sock:
        sock.bind((interface, ETH_P_IP))
        transaction = os.urandom(4)
        message = _message(sock.getsockname()[4], transaction, exchange, source, wanted)
        sock.sendto(message, (interface, ETH_P_IP, 0, 0, b"\xff" * 6))
        deadline = time.monotonic() + PATIENCE_S
        while (left_s := deadline - time.monotonic()) > 0:
            sock.settimeout(left_s)
            try:
                packet = sock.recv(2048)
            except TimeoutError:
                break
            options = _answered(packet, transaction, exchange)
            if options is not None:
                yield options


def offered_by(packet: bytes, transaction: bytes) -> IPv4Address | None:
    """Whose offer an IPv4 packet is, in answer to that transaction; None if it is none."""
    options = _answered(packet, transaction, _DISCOVERY)
    return _server_of(options) if options is not None else None


def _answered(packet: bytes, transaction: bytes, exchange: _Exchange) -> Mapping[int, bytes] | None:
    """The options of an answer to that transaction; None if the packet is none, or does not say whose."""
    start = (packet[0] & 0x0F) * 4 if packet else 0
    message = packet[start + 8 :]
    if packet[9:10] != bytes([_UDP]) or packet[start + 2 : start + 4] != CLIENT.to_bytes(2, "big"):
        return None
    if message[:1] != bytes([_REPLY]) or message[4:8] != transaction or message[236:240] != _MAGIC:
        return None
    options = _options(message[240:])
    is_answer = options.get(_MESSAGE_TYPE) == bytes([exchange.answer])
    return options if is_answer and _server_of(options) is not None else None


def _server_of(options: Mapping[int, bytes]) -> IPv4Address | None:
    server = options.get(_SERVER_ID, b"")
    return IPv4Address(server) if len(server) == 4 else None


def _options(field: bytes) -> dict[int, bytes]:
    """Of one that comes in several parts, all of them are it (RFC 3396)."""
    found: dict[int, bytes] = {}
    while len(field) > 1 and field[0] != _END:
        if field[0] == 0:  # padding
            field = field[1:]
            continue
        found[field[0]] = found.get(field[0], b"") + field[2 : 2 + field[1]]
        field = field[2 + field[1] :]
    return found


def _message(
    mac: bytes, transaction: bytes, exchange: _Exchange, source: IPv4Address, wanted: tuple[int, ...]
) -> bytes:
    """A whole IPv4 packet to everybody, from the address that we have."""
    flags = 0 if int(source) else _BROADCAST_FLAG
    bootp = _BOOTP.pack(
        _REQUEST, _ETHERNET, len(mac), 0, int.from_bytes(transaction, "big"), 0, flags,
        source.packed, bytes(4), bytes(4), bytes(4), mac,
    )  # fmt: skip
    options = bytes([_MESSAGE_TYPE, 1, exchange.message])
    options += bytes([_WANTED, len(wanted), *wanted]) if wanted else b""
    message = (bootp + _MAGIC + options + bytes([_END])).ljust(_BOOTP_BYTES, b"\0")
    datagram = struct.pack("!HHHH", CLIENT, SERVER, 8 + len(message), 0) + message  # 0: no checksum
    header = _IP.pack(0x45, 0, 20 + len(datagram), 0, 0, _TTL, _UDP, 0, source.packed, _EVERYBODY.packed)
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + datagram
