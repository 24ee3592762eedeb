"""Telling hosts at once what is not so any more, in a router advertisement of our own (RFC 4861, 4.2).

That there is no router dnsmasq says too, but up to five seconds after it has started with the new configuration; of a
prefix that it does not serve any more it says nothing.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection
from contextlib import closing
from ipaddress import IPv6Address, IPv6Network

ROUTER_ADVERTISEMENT = 134
OTHER_CONFIGURATION = 0x40
PREFIX_INFORMATION = 3
ON_LINK_AUTONOMOUS = 0xC0
RECURSIVE_DNS_SERVER = 25  # RFC 8106, 5.1
HOP_LIMIT = 64
LIFETIME_S = 7200
"""As dnsmasq says it (dnsmasq.conf.j2)."""
ALL_NODES = "ff02::1"


def retract(
    interface: str,
    *,
    router_lifetime_s: int,
    dns_server: IPv6Address | None,
    prefixes: Collection[IPv6Network],
    preferred: Collection[IPv6Network] = (),
) -> None:
    """Have every host on the link forget a DNS server and prefer no address of these prefixes. Raises OSError.

    `preferred`: prefixes whose addresses are to be preferred to those, for `LIFETIME_S`; `router_lifetime_s`: for so
    long we are its router from now on; 0: we are none.
    """
    lifetime = min(router_lifetime_s, 0xFFFF)
    content = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, HOP_LIMIT, OTHER_CONFIGURATION, lifetime, 0, 0)
    # Whoever has a connection from an address that is gone keeps it for a while: a host does not believe a valid
    # lifetime of less than two hours (RFC 4862, 5.5.3).
    lifetimes = {**dict.fromkeys(preferred, LIFETIME_S), **dict.fromkeys(prefixes, 0)}
    for prefix, lifetime_s in lifetimes.items():
        content += struct.pack(
            "!BBBBIII16s",
            PREFIX_INFORMATION, 4, prefix.prefixlen, ON_LINK_AUTONOMOUS, lifetime_s, lifetime_s, 0,
            prefix.network_address.packed,
        )  # fmt: skip
    if dns_server is not None:
        content += struct.pack("!BBHI16s", RECURSIVE_DNS_SERVER, 3, 0, 0, dns_server.packed)
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)) as sock:
        # Hosts believe only what has crossed no router (RFC 4861, 6.1.2).
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.sendto(content, (ALL_NODES, 0, 0, socket.if_nametoindex(interface)))
