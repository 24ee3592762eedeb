"""Calls to the broker, one at a time and beside everything else, and the end of each wait."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from appliance.model import Broker
from firstboot.broker.answers import Answer, Word
from firstboot.broker.description import Description
from firstboot.broker.memory import SHORTEST_S, Memory
from firstboot.broker.storage import remember

log = logging.getLogger("appliance")

Begin = Callable[[Callable[[], None]], None]
"""Runs a call beside."""


Ask = Callable[[Broker, IPv4Address], Answer]
"""Tells or asks the broker, from this address of ours; takes its time."""

M = TypeVar("M", Memory, Description)


class Correspondence(ABC, Generic[M]):
    """Used from one thread, but for the call itself. `wake` is called, from another one, when an answer is there."""

    def __init__(
        self,
        lasting: Path,
        fleeting: Path,
        ask: Ask,
        wake: Callable[[], object] = lambda: None,
        *,
        clock: Callable[[], float] | None = None,
        begin: Begin | None = None,
    ) -> None:
        """`lasting`, `fleeting`: the files that stay, and that go with the power; `begin` runs a call beside; `clock`:
        CLOCK_BOOTTIME, or what a test has for it.
        """
        self._files, self._ask = (lasting, fleeting), ask
        self._wake, self._clock, self._begin = wake, clock or _boottime_s, begin or _beside
        self._answers = SimpleQueue[Answer]()
        self._under_way = False
        self.others: Sequence[Correspondence[Any]] = ()
        """Those that call the same broker."""
        self._looked_s = -math.inf
        """Up to then whoever waits for a cool-down's end has been woken."""
        self._memory: M = self._remembered(lasting, fleeting, self._clock())

    @staticmethod
    @abstractmethod
    def _remembered(lasting: Path, fleeting: Path, now_s: float) -> M:
        """What was written down."""

    def _note(self, memory: M) -> None:
        """That is what is known from now on; it is written down."""
        self._memory = memory
        self._write()

    def _call(self, broker: Broker, local: IPv4Address) -> None:
        """Begin it; it takes its time."""
        self._under_way = True
        self._begin(lambda: self._hear(broker, local))

    def _hear(self, broker: Broker, local: IPv4Address) -> None:
        try:
            answer = self._ask(broker, local)
        except Exception as error:
            log.exception("asking the broker")
            answer = Answer(Word.UNKNOWN, detail=f"a bug in the appliance: {type(error).__name__}")
        self._answers.put(answer)
        with suppress(RuntimeError):  # the daemon's loop has ended meanwhile; the next daemon knows that it was asked
            self._wake()

    def _come(self) -> Iterator[Answer]:
        """What has come since."""
        while not self._answers.empty():
            answer = self._answers.get()
            self._under_way = False
            yield answer

    @property
    def called_s(self) -> float:
        """When the broker was called last, if that may have reached it."""
        return -math.inf if self._memory.is_unheard and not self._under_way else self._memory.asked_s

    @property
    def free_s(self) -> float:
        """From when on it may be called in view of the others' calls: a third one within a minute is one too many."""
        before = sorted(other.called_s for other in self.others)
        return before[-2] + SHORTEST_S if len(before) > 1 else -math.inf

    def due_in_s(self) -> float:
        """How long until a cool-down is over."""
        return min(self._ahead(), default=math.inf) - self._clock()

    def look(self) -> bool:
        """Whether a cool-down has ended, for which somebody may have waited. That the last one has is written down."""
        if self.due_in_s() > 0:
            return False
        self._looked_s = self._clock()
        if not self._ahead():
            self._write()
        return True

    def _ahead(self) -> list[float]:
        return [at_s for at_s in (*self._memory.deadlines_s(), self.free_s) if at_s > self._looked_s]

    def _write(self) -> None:
        """Write down what is known, and whether all cool-downs are over."""
        remember(self._memory, *self._files, self._clock())


def _boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _beside(call: Callable[[], None]) -> None:
    Thread(target=call, name="asking the broker", daemon=True).start()
