"""The kernel's network tables, read by rtnetlink.

Here, and not by pyroute2: of 500 interfaces it makes Python objects of every attribute, for 0.6 s; this takes
what is asked for, in a twentieth of that. Layouts and numbers are those of linux/rtnetlink.h, if_link.h, if_addr.h
and fib_rules.h; all are in the machine's own byte order but for addresses.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any

from appliance.addresses import Network
from firstboot import ethtool
from firstboot.dumps import Dumps, attribute, attributes
from firstboot.facts import (
    MAIN_TABLE,
    OURS,
    Address,
    Gateway,
    Interface,
    Link,
    Route,
    Rule,
    address_key,
    route_key,
)

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_RULE = struct.Struct("=BBBBBBBBI")  # fib_rule_hdr: family, lengths, tos, table, 0, 0, action, flags
_U16, _U32 = struct.Struct("=H"), struct.Struct("=I")

_GETLINK, _GETADDR, _GETROUTE, _GETNEIGH, _GETRULE = 18, 22, 26, 30, 34

_IFF_UP = 0x1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_GROUP, _IFLA_CARRIER = 18, 27, 33
_IFLA_EXT_MASK, _SKIP_STATS = 29, 8
_INFO_KIND, _INFO_DATA = 1, 2
_SIT_LOCAL, _SIT_REMOTE, _SIT_TTL = 2, 3, 4
_SIT_6RD_PREFIX, _SIT_6RD_RELAY_PREFIX, _SIT_6RD_PREFIXLEN, _SIT_6RD_RELAY_PREFIXLEN = 11, 12, 13, 14
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_PROTO = 1, 2, 8, 11
_IFA_F_DADFAILED, _IFA_F_DEPRECATED, _IFA_F_TENTATIVE = 0x08, 0x20, 0x40
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 2, 4, 5, 6, 15
_RTN_UNICAST, _RTN_UNREACHABLE, _RTM_F_CLONED, _LOCAL_TABLE = 1, 7, 0x200, 255
_NDA_DST, _NDA_LLADDR = 1, 2
_FRA_SRC, _FRA_IIF, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_OIF, _FRA_PROTOCOL = 2, 3, 6, 10, 15, 17, 21
_FR_ACT_TO_TBL = 1

_MAC_BYTES = 6
_ADDRESSES_KEPT = 4096
_INET6 = int(socket.AF_INET6)
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}

Attributes = Mapping[int, bytes]
_Told = tuple[Link, int]
"""An interface, but for the name of its master; and that one's index, or 0."""


class Tables:
    """Links, addresses, routes and rules of the network namespace in which the object was made."""

    def __init__(self) -> None:
        self._dumps = Dumps(socket.NETLINK_ROUTE, "looking at the network")
        self._names: dict[int, str] = {}
        self._asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._drivers: dict[int, str] = {}
        """By index: an interface keeps its driver."""
        self._links: dict[bytes, _Told] = {}
        """By what the kernel told of them, which is the same from one look to the next of nearly all."""

    def close(self) -> None:
        """Close the sockets."""
        self._dumps.close()
        self._asked.close()

    def links(self) -> list[Link]:
        """All interfaces. Addresses, routes and rules are told by the names that they had here last."""
        mask = attribute(_IFLA_EXT_MASK, _U32.pack(_SKIP_STATS))
        bodies, before = self._dumps.table(_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + mask), self._links
        self._links = {body: before[body] if body in before else self._told(body) for body in bodies}
        told = self._links.values()
        self._names = {link.index: link.name for link, _ in told}
        self._drivers = {link.index: link.driver for link, _ in told}
        return [replace(link, master=self._names.get(master, "")) if master else link for link, master in told]

    def _told(self, body: bytes) -> _Told:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        known = attributes(body, _LINK.size)
        driver = self._drivers.get(index) or ethtool.driver(self._asked, _text(known[_IFLA_IFNAME]))
        return _link(index, flags, known, driver), _number(known, _IFLA_MASTER)

    def addresses(self) -> tuple[list[Address], dict[str, tuple[IPv6Address, ...]]]:
        """Those of global scope; and by interface the IPv6 ones of link scope."""
        found: list[Address] = []
        link_local: dict[str, tuple[IPv6Address, ...]] = {}
        for body in self._dumps.table(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            family, length, flags, scope, index = _ADDRESS.unpack_from(body)
            known = attributes(body, _ADDRESS.size)
            # On a point-to-point link IFA_ADDRESS is the peer's.
            value, name = known.get(_IFA_LOCAL, known.get(_IFA_ADDRESS)), self._names.get(index)
            if value is None or name is None:
                continue
            if scope == _SCOPE_UNIVERSE:
                found.append(_address(name, _interface(value, length), known, flags))
            elif scope == _SCOPE_LINK and family == _INET6:
                link_local[name] = (*link_local.get(name, ()), _ipv6(value))
        return found, link_local

    def routes(self) -> list[Route]:
        """Default routes of any type; those of ours; and of each other table one more, which tells its interface.

        There may be tens of thousands, of a routing daemon, and no more of them matter here. All but default routes and
        ours that lead nowhere are unicast ones with one next hop.
        """
        found = []
        for family in _FAMILIES:
            tables_seen: set[int] = set()
            for body in self._dumps.table(_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), keep=_may_matter):
                _, length, source_length, _, table, protocol, _, sort, _ = _ROUTE.unpack_from(body)
                known = attributes(body, _ROUTE.size)
                table = _number(known, _RTA_TABLE) or table
                is_example = bool(length) and protocol != OURS
                if is_example and table in tables_seen:
                    continue
                # What leads nowhere has the interface lo for IPv6.
                name = self._names.get(_number(known, _RTA_OIF), "") if sort == _RTN_UNICAST else ""
                if name or not length or sort == _RTN_UNREACHABLE:
                    destination = _network(known.get(_RTA_DST), length, family)
                    source = _source(known, source_length, family)
                    found.append(_route(destination, name, known, table=table, protocol=protocol, source=source))
                    if is_example:
                        tables_seen.add(table)
        return found

    def neighbours(self) -> list[tuple[str, Gateway]]:
        """Hosts on the links that were spoken with: hardware address and address."""
        found = []
        for body in self._dumps.table(_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0)):
            known = attributes(body, _NEIGHBOUR.size)
            mac, address = known.get(_NDA_LLADDR, b""), known.get(_NDA_DST)
            if address is not None and len(mac) == _MAC_BYTES:
                found.append((mac.hex(":"), _ip(address)))
        return found

    def rules(self) -> list[Rule]:
        """The rules that choose a table, of both families."""
        found = []
        for family, version in _FAMILIES.items():
            for body in self._dumps.table(_GETRULE, _RULE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
                _, _, source_length, _, table, _, _, action, _ = _RULE.unpack_from(body)
                if action != _FR_ACT_TO_TBL:
                    continue
                known = attributes(body, _RULE.size)
                source = known.get(_FRA_SRC)
                found.append(
                    Rule(
                        family=version,
                        priority=_number(known, _FRA_PRIORITY),
                        table=_number(known, _FRA_TABLE) or table,
                        source=_network(source, source_length, family) if source is not None else None,
                        interface=_text(known.get(_FRA_OIF, known.get(_FRA_IIF, b""))),
                        protocol=known.get(_FRA_PROTOCOL, b"\0")[0],
                    )
                )
        return found


def address_key_in(message: bytes) -> str:
    """What identifies the address that a message is about."""
    _, length, _, _, index = _ADDRESS.unpack_from(message)
    known = attributes(message, _ADDRESS.size)
    try:
        name = socket.if_indextoname(index)
    except OSError:
        return ""  # its interface has gone since
    return address_key(_interface(known.get(_IFA_LOCAL, known[_IFA_ADDRESS]), length), name)


def route_key_in(message: bytes) -> str:
    """What identifies the route that a message is about."""
    family, length, source_length, _, table, *_ = _ROUTE.unpack_from(message)
    known = attributes(message, _ROUTE.size)
    destination, source = _network(known.get(_RTA_DST), length, family), _source(known, source_length, family)
    return route_key(destination, _number(known, _RTA_PRIORITY), _number(known, _RTA_TABLE) or table, source)


def _may_matter(route: bytes) -> bool:
    """Whether it may be one of those that are told, by its header."""
    _, length, _, _, table, protocol, _, sort, flags = _ROUTE.unpack_from(route)
    if flags & _RTM_F_CLONED or table == _LOCAL_TABLE:
        return False
    is_ours = protocol == OURS and sort in (_RTN_UNICAST, _RTN_UNREACHABLE)
    return not length or is_ours or (sort == _RTN_UNICAST and table != MAIN_TABLE)


def _link(index: int, flags: int, known: Attributes, driver: str) -> Link:
    info = attributes(known.get(_IFLA_LINKINFO, b""))
    kind = _text(info.get(_INFO_KIND, b""))
    data = attributes(info.get(_INFO_DATA, b"")) if kind == "sit" else {}
    return Link(
        name=_text(known[_IFLA_IFNAME]),
        kind=kind,
        up=bool(flags & _IFF_UP),
        carrier=known.get(_IFLA_CARRIER, b"\0") != b"\0",
        mtu=_number(known, _IFLA_MTU),
        group=_number(known, _IFLA_GROUP),
        mac=mac.hex(":") if len(mac := known.get(_IFLA_ADDRESS, b"")) == _MAC_BYTES else "",
        local=_ipv4(data.get(_SIT_LOCAL)),
        remote=_ipv4(data.get(_SIT_REMOTE)),
        ttl=data.get(_SIT_TTL, b"\0")[0],
        **_six_rd(data),
        index=index,
        driver=driver,
    )


def _six_rd(data: Attributes) -> dict[str, Any]:
    """Of a tunnel: its 6rd prefix and who its customers are. The kernel has some for each, or (long ago) for none."""
    prefix, customers = data.get(_SIT_6RD_PREFIX), data.get(_SIT_6RD_RELAY_PREFIX)
    if prefix is None or customers is None:
        return {}
    lengths = [_U16.unpack_from(data[kind])[0] for kind in (_SIT_6RD_PREFIXLEN, _SIT_6RD_RELAY_PREFIXLEN)]
    return {"prefix": IPv6Network((prefix, lengths[0])), "customers": IPv4Network((customers, lengths[1]))}


def _source(known: Attributes, length: int, family: int) -> Network | None:
    """The only one whose packets a route is for."""
    return _network(known.get(_RTA_SRC), length, family) if length else None


def _route(
    destination: Network, interface: str, known: Attributes, *, table: int, protocol: int, source: Network | None
) -> Route:
    gateway = known.get(_RTA_GATEWAY)
    return Route(
        destination=destination,
        interface=interface,
        gateway=_ip(gateway) if gateway is not None else None,
        metric=_number(known, _RTA_PRIORITY),
        table=table,
        protocol=protocol,
        source=source,
    )


def _address(name: str, address: Interface, known: Attributes, flags: int) -> Address:
    flags = _number(known, _IFA_FLAGS) or flags
    return Address(
        interface=name,
        address=address,
        protocol=known.get(_IFA_PROTO, b"\0")[0],
        tentative=bool(flags & _IFA_F_TENTATIVE),
        duplicate=bool(flags & _IFA_F_DADFAILED),
        deprecated=bool(flags & _IFA_F_DEPRECATED),
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")


def _number(known: Attributes, kind: int) -> int:
    value = known.get(kind)
    return int(_U32.unpack_from(value)[0]) if value is not None else 0


# Python's objects for addresses are dear to make and to compare, and nearly all are the same at each look.


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _ip(value: bytes) -> Gateway:
    return IPv4Address(value) if len(value) == 4 else IPv6Address(value)


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _ipv6(value: bytes) -> IPv6Address:
    return IPv6Address(value)


def _ipv4(value: bytes | None) -> IPv4Address | None:
    return IPv4Address(value) if value is not None and any(value) else None


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _interface(value: bytes, length: int) -> Interface:
    return IPv4Interface((value, length)) if len(value) == 4 else IPv6Interface((value, length))


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _network(value: bytes | None, length: int, family: int) -> Network:
    if family == socket.AF_INET:
        return IPv4Network((value or bytes(4), length))
    return IPv6Network((value or bytes(16), length))
