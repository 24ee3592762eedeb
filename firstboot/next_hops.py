"""Which way the kernel would send a packet, by rtnetlink (RTM_GETROUTE): with all its rules and tables. Reads only."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from ipaddress import ip_address

from appliance.errors import TemporaryError
from firstboot.dumps import ACK, Dumps, attribute, attributes
from firstboot.facts import Gateway
from firstboot.management import NextHop

_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_U32 = struct.Struct("=I")
_GETROUTE = 26
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _RTA_VIA, _RTA_IP_PROTO, _RTA_SPORT = 1, 2, 4, 5, 18, 27, 28
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_VIA_FAMILY_BYTES = 2
_FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}


def next_hop(own: Gateway, peer: Gateway, port: int, index: int) -> NextHop | None:
    """Where a TCP packet from this address and port of ours to that peer goes; None where it goes nowhere.

    `index`: of the interface that it has to leave by, as one of a link alone has to; 0 for any.
    """
    try:
        with closing(Dumps(socket.NETLINK_ROUTE, f"the way to {peer}")) as kernel:
            bodies, _ = kernel.told(_GETROUTE, _question(own, peer, port, index), ACK)
    except (OSError, TemporaryError):  # unreachable, prohibited, or the address is not ours any more
        return None
    return _answer(bodies[0]) if bodies else None


def _question(own: Gateway, peer: Gateway, port: int, index: int) -> bytes:
    bits = peer.max_prefixlen
    return b"".join(
        (
            _ROUTE.pack(_FAMILIES[peer.version], bits, bits, 0, 0, 0, 0, 0, 0),
            attribute(_RTA_DST, peer.packed),
            attribute(_RTA_SRC, own.packed),
            attribute(_RTA_IP_PROTO, bytes([socket.IPPROTO_TCP])),
            attribute(_RTA_SPORT, struct.pack("!H", port)),
            attribute(_RTA_OIF, _U32.pack(index)) if index else b"",
        )
    )


def _answer(body: bytes) -> NextHop | None:
    sort, known = _ROUTE.unpack_from(body)[7], attributes(body, _ROUTE.size)
    if sort not in (_RTN_UNICAST, _RTN_LOCAL) or _RTA_OIF not in known:
        return None
    gateway = known.get(_RTA_GATEWAY) or known.get(_RTA_VIA, b"")[_VIA_FAMILY_BYTES:]
    return NextHop(_U32.unpack(known[_RTA_OIF])[0], ip_address(gateway) if gateway else None)
