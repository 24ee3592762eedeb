"""Telling hosts at once that there is no router any more: a router advertisement (RFC 4861, 4.2) of lifetime 0.

dnsmasq says so too, but up to five seconds after it has started with the new configuration.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from ipaddress import IPv6Address

ROUTER_ADVERTISEMENT = 134
OTHER_CONFIGURATION = 0x40
RECURSIVE_DNS_SERVER = 25  # RFC 8106, 5.1
HOP_LIMIT = 64
ALL_NODES = "ff02::1"


def withdraw(interface: str, dns_server: IPv6Address) -> None:
    """Have every host on the link forget us as its router and as its DNS server. Raises OSError."""
    header = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, HOP_LIMIT, OTHER_CONFIGURATION, 0, 0, 0)
    no_dns = struct.pack("!BBHI16s", RECURSIVE_DNS_SERVER, 3, 0, 0, dns_server.packed)
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)) as sock:
        # Hosts believe only what has crossed no router (RFC 4861, 6.1.2).
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.sendto(header + no_dns, (ALL_NODES, 0, 0, socket.if_nametoindex(interface)))
