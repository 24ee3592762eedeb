"""Being woken when the machine changes. What changed is not read: the machine is looked at again."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import Protocol

import pyudev

SOL_NETLINK = 270
NETLINK_NETFILTER = 12
NETLINK_ADD_MEMBERSHIP = 1
NETWORK_GROUPS = {"link": 1, "ipv4 address": 5, "ipv4 route": 7, "ipv6 address": 9, "ipv6 route": 11}
SETTING_GROUPS = {"ipv4 rule": 8, "ipv6 rule": 19, "ipv4 netconf": 24, "ipv6 netconf": 25}
"""rtnetlink's multicast groups (linux/rtnetlink.h, RTNLGRP_*)."""

_BUFFER_BYTES = 1 << 20
_MESSAGE_BYTES = 1 << 16


class Events(Protocol):
    """Something that wakes: readable when it has happened, and then to be drained."""

    def fileno(self) -> int:
        """The descriptor to wait on."""
        ...

    def drain(self) -> object:
        """Throw away what has arrived."""
        ...


NFTABLES_GROUP = 7
"""nfnetlink's group of changes of rules (linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES); iptables makes such too."""


def network_events() -> NetlinkEvents:
    """About links, addresses and routes: what `Facts` are made of. Not all of it is news (a lease is renewed)."""
    return NetlinkEvents(socket.NETLINK_ROUTE, NETWORK_GROUPS.values())


def setting_events() -> NetlinkEvents:
    """About rules and per-interface settings."""
    return NetlinkEvents(socket.NETLINK_ROUTE, SETTING_GROUPS.values())


def firewall_events() -> NetlinkEvents:
    """About the firewall's rules."""
    return NetlinkEvents(NETLINK_NETFILTER, [NFTABLES_GROUP])


class NetlinkEvents:
    """The kernel's messages to some groups of a netlink protocol."""

    def __init__(self, protocol: int, groups: Iterable[int]) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Throw away what has arrived, and say whether anything has.

        After an overrun (ENOBUFS) too, everything is looked at again anyway.
        """
        arrived = False
        while True:
            try:
                self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return arrived
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
            arrived = True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class DeviceEvents:
    """udev's messages about network devices (after them one has its final name), radios' switches, USB controllers."""

    def __init__(self) -> None:
        self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        self._monitor.filter_by("net")
        self._monitor.filter_by("rfkill")
        self._monitor.filter_by("udc")
        self._monitor.start()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._monitor.fileno())

    def drain(self) -> None:
        """Throw away what has arrived."""
        while self._monitor.poll(timeout=0) is not None:
            pass
