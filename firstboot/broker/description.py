"""What the broker has said that our tunnel is, and when it may be asked again. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Self

from appliance.he import BrokerTunnel
from appliance.model import Broker
from firstboot.broker.answers import Answer
from firstboot.broker.memory import SHORTEST_S, Asked

DAY_S = 24 * 3600.0
"""What is known is compared so often with what the broker has."""
BOOT_S = 3600.0
"""And so long after the machine was turned on, at the latest."""


@dataclass(frozen=True)
class Description(Asked):
    """What is known. `said`: what the tunnel is, as it is used; `heard`: what the broker said of it last.

    `is_doubted`: a person wants it to be asked again.
    """

    said: BrokerTunnel | None = None
    heard: BrokerTunnel | None = None
    is_doubted: bool = False

    @property
    def wait_s(self) -> float:
        """How long after it was asked it is not asked again: after an answer, a day."""
        if not self.is_answered:
            return super().wait_s
        return SHORTEST_S if self.is_doubted else DAY_S

    @property
    def is_answered(self) -> bool:
        """Whether the broker said what the tunnel is when it was asked last."""
        return self.meaning is not None and not self.meaning.told

    def begun_anew(self, now_s: float) -> Self:
        """As for every one, but of a day an hour is left: a machine may be off every night."""
        return replace(self, asked_s=now_s - DAY_S + BOOT_S) if self.is_answered else super().begun_anew(now_s)

    def deadlines_s(self) -> tuple[float, ...]:
        """When which wait is over."""
        return (self.asked_s + self.elsewhere_wait_s, self.asked_s + self.wait_s)

    def with_answer(self, answer: Answer) -> Description:
        """The same, once that has come."""
        repeats = self.repeats + 1 if self.word is answer.word else 0
        told = replace(self, word=answer.word, detail=answer.detail, repeats=repeats)
        return told if answer.tunnel is None else replace(told, heard=answer.tunnel)


@dataclass(frozen=True)
class KnownDescription:
    """What is known, at the time `now_s`. `free_s`: before that, too many others have called."""

    memory: Description
    now_s: float
    under_way: bool = False
    free_s: float = -math.inf

    def may_be_asked(self, broker: Broker, local: IPv4Address) -> bool:
        """Whether the broker may be asked now, from `local`, our own address."""
        if self.under_way or self.memory.is_final(broker):
            return False
        return self.now_s >= max(self._again_s(broker, local), self.free_s)

    def heard_of(self, broker: Broker) -> BrokerTunnel | None:
        """What the broker said last of this tunnel."""
        said = (self.memory.heard, self.memory.said)
        return next((each for each in said if each is not None and each.number == broker.tunnel), None)

    def _again_s(self, broker: Broker, local: IPv4Address) -> float:
        if self.memory.tunnel != broker.tunnel and self.memory.is_answered:
            return self.memory.asked_s + SHORTEST_S  # of this one nothing is known; the broker counts all calls
        elsewhere_s, again_s = self.memory.deadlines_s()
        return again_s if local == self.memory.asked_by else elsewhere_s
