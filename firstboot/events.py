"""Being woken when the machine changes. What changed is looked at again, not learnt from the message."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Protocol

import pyudev

from firstboot.dumps import attributes
from firstboot.removals import Removals
from firstboot.route_filter import drop_foreign_routes
from firstboot.sources import NETWORK, NOTHING, Source

SOL_NETLINK = 270
NETLINK_NETFILTER = 12
NETLINK_ADD_MEMBERSHIP = 1
NETWORK_GROUPS = {"link": 1, "neighbour": 3, "ipv4 address": 5, "ipv4 route": 7, "ipv6 address": 9, "ipv6 route": 11}
SETTING_GROUPS = {"ipv4 rule": 8, "ipv6 rule": 19, "ipv4 netconf": 24, "ipv6 netconf": 25}
"""rtnetlink's multicast groups (linux/rtnetlink.h, RTNLGRP_*)."""

NETWORK_MESSAGES = {
    16: Source.LINKS,  # RTM_NEWLINK
    17: Source.LINKS,
    20: Source.ADDRESSES | Source.ROUTES,  # RTM_NEWADDR; routes from an address go with it, without a word
    21: Source.ADDRESSES | Source.ROUTES,
    24: Source.ROUTES,  # RTM_NEWROUTE
    25: Source.ROUTES,
    28: Source.SURROUNDINGS,  # RTM_NEWNEIGH, of which most is no news
}
SETTING_MESSAGES = {
    32: Source.RULES,  # RTM_NEWRULE
    33: Source.RULES,
    80: Source.SETTINGS,  # RTM_NEWNETCONF
    81: Source.SETTINGS,
}

_NEW_NEIGHBOUR, _DEL_NEIGHBOUR, _NEIGHBOUR_BYTES, _NDA_DST, _NDA_LLADDR = 28, 29, 12, 1, 2  # linux/neighbour.h
_LOCAL = (b"\xfe\x80", b"\xff")  # link-local, multicast
_SEEN = 4096

NFTABLES_GROUP = 7
"""nfnetlink's group of changes of rules (linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES); iptables makes such too."""

_BOTH = Source.FIREWALL4 | Source.FIREWALL6
_FIREWALLS = {1: _BOTH, 2: Source.FIREWALL4, 10: Source.FIREWALL6}
"""By family (linux/netfilter.h, NFPROTO_*): inet, ipv4, ipv6. Of the others iptables knows nothing."""

_BUFFER_BYTES = 1 << 20
_MESSAGE_BYTES = 1 << 16
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port


class Events(Protocol):
    """Something that wakes: readable when it has happened, and then to be drained."""

    def fileno(self) -> int:
        """The descriptor to wait on."""
        ...

    def drain(self) -> Source:
        """Throw away what has arrived; say what may be another since."""
        ...


def network_events() -> NetworkEvents:
    """About links, addresses and routes. Not all of it is news (a lease is renewed)."""
    return NetworkEvents()


def setting_events() -> NetlinkEvents:
    """About rules and per-interface settings."""
    return NetlinkEvents(socket.NETLINK_ROUTE, SETTING_GROUPS.values(), SETTING_MESSAGES)


def firewall_events() -> NetlinkEvents:
    """About the firewall's rules."""
    return FirewallEvents(NETLINK_NETFILTER, [NFTABLES_GROUP], {}, otherwise=_BOTH | Source.SURROUNDINGS)


class NetlinkEvents:
    """The kernel's messages to some groups of a netlink protocol.

    `meaning`: what may be another, by the message's type; `otherwise`: after one of any other type.
    """

    def __init__(
        self,
        protocol: int,
        groups: Iterable[int],
        meaning: Mapping[int, Source],
        *,
        otherwise: Source = NOTHING,
        without_foreign_routes: bool = False,
    ) -> None:
        self._meaning, self._otherwise = meaning, otherwise
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        if without_foreign_routes:
            drop_foreign_routes(self._socket)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def drain(self) -> Source:
        """Throw away what has arrived; say what may be another since. After an overrun (ENOBUFS) that is all of it."""
        changed = NOTHING
        while True:
            try:
                data = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                changed |= self._all()
            else:
                changed |= self._meant(data)

    def _all(self) -> Source:
        found = self._otherwise
        for source in self._meaning.values():
            found |= source
        return found

    def _meant(self, data: bytes) -> Source:
        found, offset = NOTHING, 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, _, port = _HEADER.unpack_from(data, offset)
            body = data[offset + _HEADER.size : offset + length]
            found |= self._meant_by(kind, body)
            self._heard(kind, flags, port, body)
            offset += max(_HEADER.size, (length + 3) & ~3)
        return found

    def _meant_by(self, kind: int, body: bytes) -> Source:
        return self._meaning.get(kind, self._otherwise)

    def _heard(self, kind: int, flags: int, port: int, body: bytes) -> None:
        """Each message, as it comes."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class NetworkEvents(NetlinkEvents):
    """rtnetlink's about links, addresses, routes and neighbours. `removals`: who took some away."""

    def __init__(self) -> None:
        super().__init__(socket.NETLINK_ROUTE, NETWORK_GROUPS.values(), NETWORK_MESSAGES, without_foreign_routes=True)
        self.removals = Removals()
        self._seen: dict[bytes, bytes] = {}
        """Of neighbours that the kernel knows, by address: the hardware address. Each change of state is told."""

    def _meant_by(self, kind: int, body: bytes) -> Source:
        is_neighbour = kind in (_NEW_NEIGHBOUR, _DEL_NEIGHBOUR)
        return NOTHING if is_neighbour and not self._is_news(kind, body) else super()._meant_by(kind, body)

    def _all(self) -> Source:
        self._seen.clear()
        return super()._all()

    def _is_news(self, kind: int, body: bytes) -> bool:
        """Whether a host on a link has a global address that it was not known by. Those of IPv4 dnsmasq gives out.

        One that is gone, or that did not answer and has no hardware address any more, is news when it comes back.
        """
        known = attributes(body, _NEIGHBOUR_BYTES)
        mac, address = known.get(_NDA_LLADDR, b""), known.get(_NDA_DST, b"")
        if body[0] != socket.AF_INET6 or not address or address.startswith(_LOCAL):
            return False
        if kind == _DEL_NEIGHBOUR or not mac:
            self._seen.pop(address, None)
            return False
        if self._seen.get(address) == mac:
            return False
        if len(self._seen) >= _SEEN:
            self._seen.clear()
        self._seen[address] = mac
        return True

    def _heard(self, kind: int, flags: int, port: int, body: bytes) -> None:
        self.removals.note(kind, flags, port, body)


class FirewallEvents(NetlinkEvents):
    """nf_tables' messages, which begin with their table's family (linux/netfilter/nfnetlink.h, nfgenmsg)."""

    def _meant_by(self, kind: int, body: bytes) -> Source:
        """Who adds a rule with ufw has changed its files, which are among the surroundings."""
        found = _FIREWALLS.get(body[0], NOTHING) if body else NOTHING
        return found | Source.SURROUNDINGS if found else NOTHING


_DEVICE_SOURCES = {
    "net": NETWORK | Source.SETTINGS | Source.UNITS | Source.RADIO | Source.SURROUNDINGS,
    "rfkill": Source.RADIO,
    "udc": Source.DEVICES | Source.SURROUNDINGS | NETWORK,
}
"""By subsystem. An interface that comes has settings of its own, and is NetworkManager's or not."""


class DeviceEvents:
    """udev's messages about network devices (after them one has its final name), radios' switches, USB controllers."""

    def __init__(self) -> None:
        self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        for subsystem in _DEVICE_SOURCES:
            self._monitor.filter_by(subsystem)
        self._monitor.start()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._monitor.fileno())

    def drain(self) -> Source:
        """Throw away what has arrived; say what may be another since."""
        changed = NOTHING
        while (device := self._monitor.poll(timeout=0)) is not None:
            changed |= _DEVICE_SOURCES[device.subsystem]
        return changed
