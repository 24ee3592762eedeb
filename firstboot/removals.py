"""Who took an address or a route away: the kernel's messages about that, kept for a while.

Only such a message says who did it. Whoever merely changed something in the same table at about the same time did not.
What the kernel removes because of something else (an interface that goes down) it tells with nobody's port, or not at
all, and of interfaces it never tells who changed them. Numbers are those of linux/rtnetlink.h.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firstboot import tables
from firstboot.facts import OURS
from firstboot.sources import Source
from firstboot.writers import Writer, Writers

KEPT = 256

_DELADDR, _NEWROUTE, _DELROUTE = 21, 24, 25
_REPLACE = 0x100
_PROTOCOL = 5
"""Where a route's message tells who made it (rtmsg, rtm_protocol)."""


@dataclass(frozen=True)
class _Removal:
    message: int
    body: bytes
    at_s: float
    writer: Writer | None


class Removals:
    """The last ones. One thread may tell of them while another asks."""

    def __init__(self, writers: Writers | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._writers, self._clock = writers or Writers(), clock
        self._kept: deque[_Removal] = deque(maxlen=KEPT)
        self._own: set[int] = set()

    def ignore(self, port: int) -> None:
        """Nothing that comes from this port is a removal: it is our own."""
        self._own.add(port)

    def note(self, message: int, flags: int, port: int, body: bytes) -> None:
        """Keep a message of rtnetlink, if it is about a removal of what may have been the daemon's."""
        if port not in self._own and _is_removal(message, flags, body):
            self._kept.append(_Removal(message, body, self._clock(), self._writers.owner(port)))

    def writer(self, table: Source, key: str, since_s: float) -> str:
        """Who took this out of a table last, after that time; "" if nobody did, or it is not known who."""
        about = (removal for removal in reversed(tuple(self._kept)) if removal.at_s > since_s)
        found = next((each.writer for each in about if _removed(each.message, each.body) == (table, key)), None)
        return self._writers.named(found)


def _is_removal(message: int, flags: int, body: bytes) -> bool:
    """Of a route that was replaced, the kernel tells what came in its place: destination, metric and table are one."""
    if message == _DELROUTE:
        return body[_PROTOCOL] == OURS
    return message == _DELADDR or (message == _NEWROUTE and bool(flags & _REPLACE))


def _removed(message: int, body: bytes) -> tuple[Source, str]:
    """The table, and the key of what was taken out of it."""
    if message == _DELADDR:
        return Source.ADDRESSES, tables.address_key_in(body)
    return Source.ROUTES, tables.route_key_in(body)
