"""The broker's record of our tunnel: what it has, as far as we know, and when it may be asked again."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from appliance.model import Broker
from firstboot.broker.answers import Answer, Word
from firstboot.broker.memory import KnownRecord, Memory, digest
from firstboot.broker.storage import remember, remembered

log = logging.getLogger("appliance")

Ask = Callable[[Broker, IPv4Address], Answer]
"""Tells the broker of us, who have this address; takes its time."""


class Record:
    """Used from one thread, but for the call itself. `wake` is called, from another one, when an answer is there."""

    def __init__(
        self,
        lasting: Path,
        fleeting: Path,
        ask: Ask,
        wake: Callable[[], object] = lambda: None,
        *,
        clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        begin: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """`lasting`, `fleeting`: the files that stay, and that go with the power; `begin` runs a call beside."""
        self._files, self._ask, self._wake, self._clock = (lasting, fleeting), ask, wake, clock
        self._begin = begin or _beside
        self._answers = SimpleQueue[Answer]()
        self._under_way = False
        self._doubted_meanwhile: list[Callable[[], None]] = []
        self._memory = remembered(*self._files, clock())
        self._looked_s = -math.inf
        """Up to then whoever waits for a cool-down's end has been woken."""

    def known(self) -> KnownRecord:
        """What is known now."""
        return KnownRecord(self._memory, self._clock(), self._under_way)

    def tell(self, broker: Broker, local: IPv4Address) -> None:
        """Begin to tell the broker, by `local`, our own address; nothing where it may not be told now."""
        known = self.known()
        if not known.may_be_told(broker, local):
            return
        before = self._memory if self._memory.tunnel == broker.tunnel else self._of_another(broker)
        # First it is written down: whatever happens meanwhile, it has been asked.
        self._note(replace(before, asked_by=local, asked_s=known.now_s, account=digest(broker)))
        self._under_way = True
        self._begin(lambda: self._call(broker, local))

    def _of_another(self, broker: Broker) -> Memory:
        """Of this tunnel nothing is known, but the broker counts all calls."""
        before = self._memory
        return Memory(
            tunnel=broker.tunnel, asked_s=before.asked_s, word=before.word, detail=before.detail, repeats=before.repeats
        )

    def _call(self, broker: Broker, local: IPv4Address) -> None:
        try:
            answer = self._ask(broker, local)
        except Exception as error:
            log.exception("telling the broker")
            answer = Answer(Word.UNKNOWN, detail=f"a bug in the appliance: {type(error).__name__}")
        self._answers.put(answer)
        with suppress(RuntimeError):  # the daemon's loop has ended meanwhile; the next daemon knows that it was asked
            self._wake()

    def take_in(self) -> None:
        """Note what the broker has answered."""
        while not self._answers.empty():
            answer = self._answers.get()
            self._under_way = False
            self._note(self._memory.with_answer(answer))
            log.info("the broker: %s", answer.meaning.told or f"it has {answer.address}")
            meanwhile, self._doubted_meanwhile = self._doubted_meanwhile, []
            for doubt in meanwhile:
                doubt()

    def interrupted(self) -> None:
        """The uplink was away: behind NAT, the public address may be another one now."""
        self._doubt(replace(self._memory, is_interrupted=True), self.interrupted)

    def suspect(self) -> None:
        """Somebody has reason to think that the broker has another address than ours: it is told once more."""
        self._doubt(replace(self._memory, is_suspected=True), self.suspect)

    def ask_again(self) -> None:
        """A person has put something right: what was final is none any more."""
        if self._memory.tunnel:
            self._note(replace(self._memory, account="", unfounded=0))
            self.suspect()

    def _doubt(self, doubted: Memory, doubt: Callable[[], None]) -> None:
        if self._under_way:
            self._doubted_meanwhile.append(doubt)
        if doubted != self._memory and self._memory.told_by is not None:
            self._note(doubted)

    def _note(self, memory: Memory) -> None:
        self._memory = memory
        remember(memory, *self._files, self._clock())

    def due_in_s(self) -> float:
        """How long until a cool-down is over."""
        return min((at_s for at_s in self._ahead()), default=math.inf) - self._clock()

    def _ahead(self) -> list[float]:
        return [at_s for at_s in self._memory.deadlines_s() if at_s > self._looked_s]

    def look(self) -> bool:
        """Whether a cool-down has ended, for which somebody may have waited. That the last one has is written down."""
        if self.due_in_s() > 0:
            return False
        self._looked_s = self._clock()
        if not self._ahead():
            remember(self._memory, *self._files, self._looked_s)
        return True


def _beside(call: Callable[[], None]) -> None:
    Thread(target=call, name="telling the broker", daemon=True).start()
