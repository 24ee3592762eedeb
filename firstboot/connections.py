"""The ssh connections that this machine has, from the kernel (sock_diag(7)), by pyroute2."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from firstboot import netlink  # noqa: F401 - it lets pyroute2's modules be imported without all of pyroute2
from firstboot.facts import Gateway
from firstboot.management import Connection
from firstboot.policy.decision import SSH_PORT

log = logging.getLogger("appliance")

_ESTABLISHED = 1 << 1  # 1 << TCP_ESTABLISHED (net/tcp_states.h)
_INFO = 1 << 1  # 1 << (INET_DIAG_INFO - 1) (linux/inet_diag.h)


def ssh_connections() -> tuple[Connection, ...]:
    """Those that are established; none where the kernel does not tell (it may have no tcp_diag)."""
    from pyroute2.netlink.diag import DiagSocket  # noqa: PLC0415 - only a trial needs it
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

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
                own, peer = _address(found["idiag_src"]), _address(found["idiag_dst"])
                yield Connection(own, peer, found["idiag_if"], _heard_s(found.get_attr("INET_DIAG_INFO")))


def _heard_s(info: Any) -> float:
    """When our last data was sent, if it has been acknowledged: the peer's own may arrive while ours go astray."""
    if info["tcpi_unacked"]:
        return math.inf
    return float(max(info["tcpi_last_data_sent"], info["tcpi_last_ack_recv"])) / 1000


def _address(text: str) -> Gateway:
    """As a socket for both families has it, an IPv4 address is written as an IPv6 one (RFC 4291, 2.5.5.2)."""
    found = ip_address(text)
    mapped: IPv4Address | IPv6Address | None = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
