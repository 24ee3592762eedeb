"""Finding out whether a host on a link gives out addresses (DHCP, RFC 2131), without taking one."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import closing
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
_MESSAGE_TYPE, _SERVER_ID, _END = 53, 54, 255
_DISCOVER, _OFFER = 1, 2
_IP = struct.Struct("!BBHHHBBH4s4s")
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s192x")


def offers(interface: str, server: IPv4Address) -> bool:
    """Whether that host offers an address there. Raises OSError."""
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)) as sock:
        sock.bind((interface, ETH_P_IP))
        transaction = os.urandom(4)
        sock.sendto(_discover(sock.getsockname()[4], transaction), (interface, ETH_P_IP, 0, 0, b"\xff" * 6))
        deadline = time.monotonic() + PATIENCE_S
        while (left_s := deadline - time.monotonic()) > 0:
            sock.settimeout(left_s)
            try:
                packet = sock.recv(2048)
            except TimeoutError:
                break
            if offered_by(packet, transaction) == server:
                return True
    return False


def offered_by(packet: bytes, transaction: bytes) -> IPv4Address | None:
    """Whose offer an IPv4 packet is, in answer to that transaction; None if it is none."""
    start = (packet[0] & 0x0F) * 4 if packet else 0
    message = packet[start + 8 :]
    if packet[9:10] != bytes([_UDP]) or packet[start + 2 : start + 4] != CLIENT.to_bytes(2, "big"):
        return None
    if message[:1] != bytes([_REPLY]) or message[4:8] != transaction or message[236:240] != _MAGIC:
        return None
    options = _options(message[240:])
    server = options.get(_SERVER_ID, b"")
    return IPv4Address(server) if options.get(_MESSAGE_TYPE) == bytes([_OFFER]) and len(server) == 4 else None


def _options(field: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(field) > 1 and field[0] != _END:
        if field[0] == 0:  # padding
            field = field[1:]
            continue
        found[field[0]] = field[2 : 2 + field[1]]
        field = field[2 + field[1] :]
    return found


def _discover(mac: bytes, transaction: bytes) -> bytes:
    nowhere = bytes(4)
    bootp = _BOOTP.pack(
        _REQUEST, _ETHERNET, len(mac), 0, int.from_bytes(transaction, "big"), 0, _BROADCAST_FLAG,
        nowhere, nowhere, nowhere, nowhere, mac,
    )  # fmt: skip
    message = bootp + _MAGIC + bytes([_MESSAGE_TYPE, 1, _DISCOVER, _END])
    datagram = struct.pack("!HHHH", CLIENT, SERVER, 8 + len(message), 0) + message  # 0: no checksum
    header = _IP.pack(0x45, 0, 20 + len(datagram), 0, 0, _TTL, _UDP, 0, nowhere, b"\xff" * 4)
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + datagram
