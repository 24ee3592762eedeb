"""The broker's record of our tunnel: what it has, as far as we know, and when it may be asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from appliance.model import Broker
from firstboot.broker.answers import Answer
from firstboot.broker.correspondence import Begin, Correspondence
from firstboot.broker.memory import KnownRecord, Memory, digest
from firstboot.broker.storage import remember, remembered

log = logging.getLogger("appliance")

Ask = Callable[[Broker, IPv4Address], Answer]
"""Tells or asks the broker, from this address of ours; takes its time."""


class Record(Correspondence):
    """What the broker has been told."""

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
        """`lasting`, `fleeting`: the files that stay, and that go with the power; `begin` runs a call beside."""
        super().__init__(wake, clock, begin)
        self._files, self._tell = (lasting, fleeting), ask
        self._doubted_meanwhile: list[Callable[[], None]] = []
        self._memory = remembered(*self._files, self._clock())

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
        self._call(partial(self._tell, broker, local))

    def _of_another(self, broker: Broker) -> Memory:
        """Of this tunnel nothing is known, but the broker counts all calls."""
        before = self._memory
        return Memory(
            tunnel=broker.tunnel, asked_s=before.asked_s, word=before.word, detail=before.detail, repeats=before.repeats
        )

    def take_in(self) -> None:
        """Note what the broker has answered."""
        for answer in self._come():
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
        self._write()

    def _write(self) -> None:
        remember(self._memory, *self._files, self._clock())

    def _deadlines_s(self) -> tuple[float, ...]:
        return self._memory.deadlines_s()
