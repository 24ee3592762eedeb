"""What is known of the broker's record, and when it may be told again. Pure."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Self

from appliance.model import Broker
from firstboot.broker.answers import MEANINGS, TAKEN, Answer, Meaning, Word

SHORTEST_S = 60.0
"""From one call that the broker counts to the next. A third one within a minute was one too many."""

GOOD_IN_A_ROW = 5
"""After so many more, "good" no longer says that the broker had another address: it may say so of anything."""

UNFOUNDED_LONGEST_S = 6 * 3600.0
ROW_S = 1.5 * UNFOUNDED_LONGEST_S
"""Who doubts all the time asks more often. After so long without a call, another doubt is the first of a row."""
_DOUBLINGS = 16


@dataclass(frozen=True)
class Asked:
    """What came of asking about a tunnel. Times are CLOCK_BOOTTIME's.

    `asked_by`: our own address when it was asked last, at `asked_s`; `word` and `detail`: what came of that, `repeats`
    times in a row before; `account`: a digest of whose name it was asked in.
    """

    tunnel: int = 0
    asked_by: IPv4Address | None = None
    asked_s: float = -math.inf
    word: Word | None = None
    detail: str = ""
    repeats: int = 0
    account: str = ""

    @property
    def meaning(self) -> Meaning | None:
        """What follows from the last answer; None before the first."""
        return MEANINGS[self.word] if self.word is not None else None

    @property
    def wait_s(self) -> float:
        """How long after it was asked it is not asked again."""
        meaning = self.meaning
        if meaning is None:
            return SHORTEST_S
        return min(meaning.wait_s * 2.0 ** min(self.repeats, _DOUBLINGS), meaning.longest_s)

    @property
    def elsewhere_wait_s(self) -> float:
        """The same, from another address of ours."""
        elsewhere_s = self.meaning.elsewhere_s if self.meaning is not None else None
        return self.wait_s if elsewhere_s is None else min(elsewhere_s, self.wait_s)

    @property
    def is_unheard(self) -> bool:
        """Whether the last call did not reach the broker, so that it counts none."""
        return self.meaning is not None and self.meaning.elsewhere_s == 0

    def begun_anew(self, now_s: float) -> Self:
        """The same if the machine was turned off before the wait was over: all of it is left. But where the broker was
        not reached, a minute: who restarts everything may have put that right.
        """
        if self.is_unheard:
            return replace(self, asked_s=now_s, word=None, detail="", repeats=0)
        return replace(self, asked_s=now_s)

    def is_final(self, broker: Broker) -> bool:
        """Whether it has said to this user that asking again is of no use."""
        return self.meaning is not None and self.meaning.is_final and self.account == digest(broker)


@dataclass(frozen=True)
class Memory(Asked):
    """What is known of one tunnel's record.

    `told_by`: our own address when the broker took what it has, `address`. `unfounded`: so often in a row it was asked
    because of a doubt alone, and had the right address. `is_interrupted`: the uplink was away since; `is_suspected`:
    somebody thinks that it is wrong.
    """

    told_by: IPv4Address | None = None
    address: IPv4Address | None = None
    unfounded: int = 0
    is_interrupted: bool = False
    is_suspected: bool = False

    @property
    def answer(self) -> Answer | None:
        """The last one; None before the first."""
        return Answer(self.word, self.address, self.detail) if self.word is not None else None

    @property
    def doubt_wait_s(self) -> float:
        """The same, because of a doubt alone. One that was not answered has had its wait."""
        if self.word not in TAKEN:
            return self.wait_s
        return max(self.wait_s, min(SHORTEST_S * 2.0 ** min(self.unfounded, _DOUBLINGS), UNFOUNDED_LONGEST_S))

    def deadlines_s(self) -> tuple[float, ...]:
        """When which of these is over."""
        return tuple(self.asked_s + wait_s for wait_s in (self.elsewhere_wait_s, self.wait_s, self.doubt_wait_s))

    def rested(self, now_s: float) -> Memory:
        """The same at that time: doubts of long ago say nothing of the next one. A router is restarted every night."""
        return replace(self, unfounded=0) if now_s - self.asked_s > ROW_S else self

    def with_answer(self, answer: Answer) -> Memory:
        """The same, once that has come."""
        same = self.word is answer.word
        told = replace(self, word=answer.word, detail=answer.detail, repeats=self.repeats + 1 if same else 0)
        if not answer.is_taken:
            return told
        # Where it had another one meanwhile, it says "good" of the very address that it was told before.
        is_same = (self.address, self.told_by) == (answer.address, self.asked_by)
        was_right = is_same and (answer.word is Word.UNCHANGED or told.repeats >= GOOD_IN_A_ROW)
        return replace(
            told,
            told_by=self.asked_by,
            address=answer.address,
            unfounded=self.unfounded + 1 if was_right else 0,
            is_interrupted=False,
            is_suspected=False,
        )


@dataclass(frozen=True)
class KnownRecord:
    """What is known of the broker's record, at the time `now_s`. `free_s`: before that, too many others have called."""

    memory: Memory
    now_s: float
    under_way: bool = False
    free_s: float = -math.inf

    def is_final(self, broker: Broker) -> bool:
        """Whether it has said to this user that asking again is of no use."""
        return self.memory.is_final(broker)

    @property
    def is_taken(self) -> bool:
        """Whether it took what it was told last."""
        return self.memory.answer is not None and self.memory.answer.is_taken

    def may_be_told(self, broker: Broker, local: IPv4Address) -> bool:
        """Whether it may be told now by `local`, our own address."""
        if self.under_way or self.is_final(broker):
            return False
        return self.now_s >= max(self._again_s(broker, local), self.free_s)

    def _again_s(self, broker: Broker, local: IPv4Address) -> float:
        elsewhere_s, again_s, doubt_s = self.memory.deadlines_s()
        if local != self.memory.asked_by:
            return elsewhere_s
        is_doubt = self.memory.tunnel == broker.tunnel and self.memory.told_by == local
        return doubt_s if is_doubt else again_s


def digest(broker: Broker) -> str:
    """Tells accounts from each other."""
    return hashlib.sha256("\n".join([broker.user, broker.key, str(broker.tunnel)]).encode()).hexdigest()[:16]
