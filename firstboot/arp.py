"""Asking IPv4 hosts on a link whether they are there (ARP, RFC 826)."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Collection
from ipaddress import IPv4Address

ETH_P_ARP = 0x0806
SO_ATTACH_FILTER = 26
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _IPV4, _REQUEST, _REPLY = 1, 0x0800, 1, 2
_BROADCAST, _NO_MAC = b"\xff" * 6, bytes(6)


class Arp:
    """Questions to hosts on an interface, asked in the name of `own`, and their answers. Raises OSError."""

    def __init__(self, interface: str, own: IPv4Address, targets: Collection[IPv4Address]) -> None:
        self.socket, self._own, self._targets = _socket(interface), own, {host.packed: host for host in targets}
        self._macs: dict[bytes, bytes] = {}

    def ask(self) -> None:
        """Ask all of them; of whom the last answer's hardware address is known, nobody else is disturbed."""
        interface, _, _, _, own_mac = self.socket.getsockname()
        for target in self._targets:
            words = (own_mac, self._own.packed, _NO_MAC, target)
            request = _ARP.pack(_ETHERNET, _IPV4, 6, 4, _REQUEST, *words)
            self.socket.sendto(request, (interface, ETH_P_ARP, 0, 0, self._macs.get(target, _BROADCAST)))
        self._macs = {}

    def hear(self) -> IPv4Address | None:
        """Who answers, once there is something to read; None if it is none of them."""
        reply = self.socket.recv(64)
        if len(reply) < _ARP.size or reply[14:18] not in self._targets:
            return None
        self._macs[reply[14:18]] = reply[8:14]
        return self._targets[reply[14:18]]


def _socket(interface: str) -> socket.socket:
    """A socket for ARP on an interface, to which the kernel lets through nothing but replies."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
    try:
        # Classic BPF (linux/filter.h): load the half-word at 6, the operation; equal: all of it; else nothing.
        code = b"".join(
            struct.pack("=HBBI", *step)
            for step in ((0x28, 0, 0, 6), (0x15, 0, 1, _REPLY), (0x06, 0, 0, 64), (0x06, 0, 0, 0))
        )
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HL", 4, ctypes.addressof(buffer))
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        made.bind((interface, ETH_P_ARP))
    except BaseException:
        made.close()
        raise
    return made
