"""ufw's own lock: nothing of the firewall's rules is exchanged while ufw is at work, and ufw waits for an exchange.

A reload empties chains and fills them, each by a program of its own: whoever fills one meanwhile makes it fail.
"""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import TemporaryError

PATH = Path("/run/ufw.lock")
"""As ufw has it (ufw.util.create_lock); it is there once ufw has been called."""

SOON_S, EVERY_S = 2.0, 0.05
"""Most of what ufw does has ended by then."""

FORGOTTEN_S = 45.0
"""Longer than the longest time from one try to the next: by then it is another one that works."""

PATIENCE_S = 90.0
"""A reload takes a Zero half of that. One that asks its user something has the lock for as long as he thinks."""


class UfwLock:
    """What keeps the two apart."""

    def __init__(
        self,
        path: Path = PATH,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._clock, self._rest = path, clock, rest
        self._busy_since_s, self._tried_s = math.inf, -math.inf

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While the block runs, ufw waits. Raises `TemporaryError` while ufw is at work, for `PATIENCE_S` at most."""
        try:
            file = self._path.open()
        except FileNotFoundError:
            yield
            return
        with file:
            self._take(file.fileno())
            yield

    def _take(self, descriptor: int) -> None:
        began_s = self._clock()
        if began_s > self._tried_s + FORGOTTEN_S:
            self._busy_since_s = math.inf
        while not _is_taken(descriptor):
            self._busy_since_s = min(self._busy_since_s, self._clock())
            self._tried_s = self._clock()
            if self._clock() >= self._busy_since_s + PATIENCE_S:
                return
            if self._clock() >= began_s + SOON_S:
                raise TemporaryError("ufw is at work, and its end is waited for")
            self._rest(EVERY_S)
        self._busy_since_s = math.inf


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
