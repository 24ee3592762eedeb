"""Waits until something can be read."""

from __future__ import annotations

import math
import select
from collections.abc import Collection
from typing import Protocol, TypeVar


class Source(Protocol):
    """A socket, or a file."""

    def fileno(self) -> int:
        """The number of its descriptor."""


S = TypeVar("S", bound=Source)


def readable(sources: Collection[S], wait_s: float) -> list[S]:
    """Those from which something can be read, or that have ended, once there is one; [] after `wait_s` seconds.

    By poll(2): select(2) does not know of descriptors from 1024 on.
    """
    by_number = {source.fileno(): source for source in sources}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(math.ceil(max(0.0, wait_s) * 1000))]
