"""The ssh connections that this machine has, from the kernel (sock_diag(7)), by pyroute2."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from pyroute2 import DiagSocket, NetlinkError

from firstboot.facts import Gateway

SSH_PORT = 22

log = logging.getLogger("appliance")

_ESTABLISHED = 1 << 1  # 1 << TCP_ESTABLISHED (net/tcp_states.h)
_INFO = 1 << 1  # 1 << (INET_DIAG_INFO - 1) (linux/inet_diag.h)


@dataclass(frozen=True)
class Connection:
    """A TCP connection to this machine's ssh port.

    `own`, `peer`: the addresses of its two ends. `index`: the interface's, where the address is one of a link alone.
    `heard_s`: how long ago, in seconds, the peer was last heard, be it an acknowledgement.
    """

    own: Gateway
    peer: Gateway
    index: int
    heard_s: float


def ssh_connections() -> tuple[Connection, ...]:
    """Those that are established; none where the kernel does not tell (it may have no tcp_diag)."""
    try:
        with DiagSocket() as kernel:
            kernel.bind()
            return tuple(_connections(kernel))
    except (OSError, NetlinkError) as error:
        log.warning("the kernel does not tell its connections: %s", error)
        return ()


def _connections(kernel: Any) -> Iterator[Connection]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for found in kernel.get_sock_stats(family=family, states=_ESTABLISHED, extensions=_INFO):
            if found["idiag_sport"] == SSH_PORT:
                info = found.get_attr("INET_DIAG_INFO")
                heard_ms = min(info["tcpi_last_ack_recv"], info["tcpi_last_data_recv"])
                own, peer = _address(found["idiag_src"]), _address(found["idiag_dst"])
                yield Connection(own, peer, found["idiag_if"], heard_ms / 1000)


def _address(text: str) -> Gateway:
    """As a socket for both families has it, an IPv4 address is written as an IPv6 one (RFC 4291, 2.5.5.2)."""
    found = ip_address(text)
    mapped: IPv4Address | IPv6Address | None = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
