"""The broker's record of our tunnel: what it has, as far as we know, and when it may be asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

from appliance.model import Broker
from firstboot.broker.correspondence import Correspondence
from firstboot.broker.memory import KnownRecord, Memory, digest
from firstboot.broker.storage import remembered

log = logging.getLogger("appliance")


class Record(Correspondence[Memory]):
    """What the broker has been told."""

    _remembered = staticmethod(remembered)
    _doubted_meanwhile: tuple[Callable[[], None], ...] = ()

    def known(self) -> KnownRecord:
        """What is known now."""
        return KnownRecord(self._memory, self._clock(), self._under_way, self.free_s)

    def tell(self, broker: Broker, local: IPv4Address) -> None:
        """Begin to tell the broker, by `local`, our own address; nothing where it may not be told now."""
        known = self.known()
        if not known.may_be_told(broker, local):
            return
        before = self._memory if self._memory.tunnel == broker.tunnel else self._of_another(broker)
        # First it is written down: whatever happens meanwhile, it has been asked.
        self._note(replace(before.rested(known.now_s), asked_by=local, asked_s=known.now_s, account=digest(broker)))
        self._call(broker, local)

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
            meanwhile, self._doubted_meanwhile = self._doubted_meanwhile, ()
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
            self._doubted_meanwhile += (doubt,)
        if doubted != self._memory and self._memory.told_by is not None:
            self._note(doubted)
