"""When the kernel told of the daemon's own routes and of settings: by netlink, at once, without looking for them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from firstboot.dumps import attributes, messages
from firstboot.facts import OURS
from firstboot.route_filter import INSTRUCTION, attach

# linux/rtnetlink.h and linux/netconf.h
_ROUTES, _SETTINGS = 7, 24
"""RTNLGRP_IPV4_ROUTE and RTNLGRP_IPV4_NETCONF."""
NEW_ROUTE, GONE_ROUTE, SETTING = 24, 25, 80
_ROUTE = struct.Struct("=BBBBBBBBI")
_RTA_TABLE, _NETCONFA_IFINDEX, _NETCONFA_RP_FILTER = 15, 1, 3
_SO_RCVBUFFORCE, _SOL_NETLINK, _ADD_MEMBERSHIP = 33, 270, 1
_BUFFER_BYTES, _MESSAGE_BYTES, _PATIENCE_S = 1 << 24, 1 << 16, 0.2

_OURS_ALONE = [
    (0x28, 0, 0, 4),  # the message's type, of which the high byte comes second on a little-endian machine
    (0x54, 0, 0, socket.htons(0xFFFE)),
    (0x15, 0, 2, socket.htons(NEW_ROUTE)),
    (0x30, 0, 0, 21),  # rtm_protocol
    (0x15, 0, 1, OURS),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
]
"""A classic BPF program: of the messages about routes only those of ours pass, or a storm would overrun the socket."""


@dataclass(frozen=True)
class Word:
    """A message: `what` is its type; `about` a route's table or, of a setting, the interface's index."""

    at: float
    what: int
    about: int
    value: int = 0


class Told:
    """Listens in a thread of its own, in the network namespace in which it was made. `settings`: to rp_filter, too."""

    def __init__(self, *, settings: bool = False) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        if not settings:
            attach(self._socket, b"".join(INSTRUCTION.pack(*instruction) for instruction in _OURS_ALONE))
        self._socket.bind((0, 0))
        for group in (_ROUTES, _SETTINGS) if settings else (_ROUTES,):
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._socket.settimeout(_PATIENCE_S)
        self._words: list[Word] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._ended = True
        self._thread.join()
        self._socket.close()

    @property
    def words(self) -> list[Word]:
        """All that was told so far."""
        with self._news:
            return list(self._words)

    def forget(self) -> None:
        """Begin anew."""
        with self._news:
            self._words.clear()

    def await_words(self, enough: Callable[[list[Word]], bool], longest_s: float) -> bool:
        """Wait until what was told is enough; whether it came so far."""
        with self._news:
            return self._news.wait_for(lambda: enough(self._words), longest_s)

    def _listen(self) -> None:
        while not self._ended:
            try:
                data = self._socket.recv(_MESSAGE_BYTES)
            except TimeoutError:
                continue
            at = time.monotonic()
            found = [word for kind, _, _, body in messages(data) if (word := _word(at, kind, body)) is not None]
            with self._news:
                self._words += found
                self._news.notify_all()


def _word(at: float, kind: int, body: bytes) -> Word | None:
    if kind in (NEW_ROUTE, GONE_ROUTE):
        _, _, _, _, table, protocol, *_ = _ROUTE.unpack_from(body)
        known = attributes(body, _ROUTE.size)
        return Word(at, kind, _number(known.get(_RTA_TABLE, b"")) or table) if protocol == OURS else None
    known = attributes(body, 4)  # netconfmsg is a byte, padded
    if kind != SETTING or _NETCONFA_RP_FILTER not in known:
        return None
    return Word(at, kind, _number(known[_NETCONFA_IFINDEX]), _number(known[_NETCONFA_RP_FILTER]))


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little")
