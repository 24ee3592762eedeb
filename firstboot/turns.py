"""Whoever asks has a turn: anybody may ask as often as he likes, and the machine is kept right all the same."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from appliance.errors import TemporaryError

T = TypeVar("T")

REST = 2.0
"""So many times as long as an answer took is the rest after it: most of the processor is the passes'."""

MOST = 16
"""So many may wait, as each of them takes memory."""


class Turns:
    """One at a time, and between two of them a rest, of which only who asks next takes notice."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._one_at_a_time = asyncio.Lock()
        self._askers = 0
        self._next_s = -math.inf

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One's own turn. Raises `TemporaryError` where too many wait for theirs."""
        if self._askers >= MOST:
            raise TemporaryError("too many ask at once", hint="try again in a few seconds")
        self._askers += 1
        try:
            async with self._one_at_a_time:
                await self._sleep(max(0.0, self._next_s - self._clock()))
                yield
        finally:
            self._askers -= 1

    def timed(self, work: Callable[[], T]) -> T:
        """Do what the answer takes, in whichever thread; that one waited for a pass does not count."""
        began = self._clock()
        try:
            return work()
        finally:
            self._next_s = max(self._next_s, began) + (1 + REST) * (self._clock() - began)
