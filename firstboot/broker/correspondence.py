"""Calls to the broker, one at a time and beside everything else, and the end of each wait."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from firstboot.broker.answers import Answer, Word

log = logging.getLogger("appliance")

Begin = Callable[[Callable[[], None]], None]
"""Runs a call beside."""


class Correspondence(ABC):
    """Used from one thread, but for the call itself. `wake` is called, from another one, when an answer is there."""

    def __init__(self, wake: Callable[[], object], clock: Callable[[], float] | None, begin: Begin | None) -> None:
        """`clock`: CLOCK_BOOTTIME, or what a test has for it."""
        self._wake, self._clock, self._begin = wake, clock or _boottime_s, begin or _beside
        self._answers = SimpleQueue[Answer]()
        self._under_way = False
        self._looked_s = -math.inf
        """Up to then whoever waits for a cool-down's end has been woken."""

    def _call(self, ask: Callable[[], Answer]) -> None:
        """Begin it; it takes its time."""
        self._under_way = True
        self._begin(lambda: self._ask(ask))

    def _ask(self, ask: Callable[[], Answer]) -> None:
        try:
            answer = ask()
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
        return [at_s for at_s in self._deadlines_s() if at_s > self._looked_s]

    @abstractmethod
    def _deadlines_s(self) -> tuple[float, ...]:
        """When which cool-down is over."""

    @abstractmethod
    def _write(self) -> None:
        """Write down what is known, and whether all of them are over."""


def _boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _beside(call: Callable[[], None]) -> None:
    Thread(target=call, name="asking the broker", daemon=True).start()
