"""Reactions that are due soon: settled, not too often, and remembered while the machine runs."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from appliance.errors import ApplianceError
from firstboot import files
from firstboot.actions import ReactSoon
from firstboot.command import Ended
from firstboot.kind import Reaction

SHORTEST_S = 1.0
"""From one time to the next, whatever the policy says."""

LONGEST_S = 900.0
"""The interval doubles each time that it was in vain, but not beyond this, or what the policy says."""

_DOUBLINGS = math.ceil(math.log2(LONGEST_S / SHORTEST_S))

AFTERMATH_S = 15.0
"""Interfaces that change while a reaction is under way, or so soon after it, may have been changed by it."""

log = logging.getLogger("appliance")


@dataclass(eq=False)
class _Policy:
    """What is known of a policy; times are the monotonic clock's.

    `members`: the interfaces for which its action was carried out; `tried`: those for which it began last.
    `is_repeat`: nothing but what was done last, or its failure, is why something is due.
    """

    members: tuple[str, ...]
    began_s: float = -math.inf
    ended_s: float = -math.inf
    repeats: int = 0
    tried: tuple[str, ...] = ()
    trouble: ApplianceError | None = None
    under_way: bool = False
    due: ReactSoon | None = None
    settled_s: float = 0.0
    is_repeat: bool = False

    def reacted(self) -> tuple[str, ...]:
        """For which interfaces nothing is to be done: what was begun is not begun again, nor by the next daemon."""
        return self.tried if self.under_way else self.members

    def every_s(self, reaction: ReactSoon) -> float:
        """The least time from one beginning to the next, for now."""
        least_s = max(SHORTEST_S, float(reaction.at_most_every_s))
        doublings = min(self.repeats, _DOUBLINGS) if self.is_repeat else 0
        return max(least_s, min(least_s * 2.0**doublings, LONGEST_S))

    def begins_s(self) -> float:
        """When what is due is to begin; what is under way must end first."""
        if self.due is None or self.under_way:
            return math.inf
        return max(self.settled_s, self.began_s + self.every_s(self.due))

    def told(self) -> Reaction:
        """The same for those who look on."""
        repeats = self.repeats + 1 if self.due is not None and self.is_repeat else 0
        every_s = self.every_s(self.due) if self.due is not None else 0.0
        return Reaction(self.reacted(), self.trouble, self.under_way, self.due, repeats, every_s)


class Reactions:
    """What is due, and what was done. Used from one thread; `memory` is a file that goes with the power.

    `begin` has one carried out and does not wait for its end; `wake` is called at its end, from any thread.
    """

    def __init__(
        self,
        memory: Path,
        begin: Callable[[ReactSoon, Ended], None],
        wake: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory, self._begin, self._wake, self._clock = memory, begin, wake, clock
        self._ended = SimpleQueue[tuple[_Policy, ApplianceError | None]]()
        self._policies = _remembered(memory)

    def known(self) -> Mapping[str, Reaction]:
        """By policy, what was done and what is to be done."""
        return {name: policy.told() for name, policy in self._policies.items()}

    def note(self, name: str, members: tuple[str, ...]) -> None:
        """Nothing is to be done for these."""
        policy = self._policies.setdefault(name, _Policy(members))
        policy.due, policy.trouble = None, None
        self._remember()

    def forget(self, name: str) -> None:
        """Nobody wants it any more."""
        self._policies.pop(name, None)
        self._remember()

    def soon(self, reaction: ReactSoon) -> None:
        """Have it carried out: once its interfaces have not changed for a while, and not too soon after the last."""
        policy, now_s = self._policies[reaction.policy], self._clock()
        if policy.due == reaction:
            return
        may_be_own = policy.under_way or now_s <= policy.ended_s + AFTERMATH_S
        fails = policy.trouble is not None and policy.tried == reaction.members
        policy.is_repeat = may_be_own or fails
        policy.due, policy.settled_s = reaction, now_s + reaction.settle_s

    def due_in_s(self) -> float:
        """How long nothing is to be done."""
        return min((policy.begins_s() for policy in self._policies.values()), default=math.inf) - self._clock()

    def carry_out(self) -> bool:
        """Begin what is due; whether anything was."""
        due = [policy for policy in self._policies.values() if policy.begins_s() <= self._clock()]
        for policy in due:
            self._carry_out(policy)
        return bool(due)

    def _carry_out(self, policy: _Policy) -> None:
        reaction, policy.due = policy.due, None
        assert reaction is not None, "it is due"
        policy.repeats = policy.repeats + 1 if policy.is_repeat else 0
        policy.tried, policy.began_s, policy.under_way = reaction.members, self._clock(), True
        try:
            self._begin(reaction, partial(self._on_end, policy))
        except ApplianceError as error:
            self._end(policy, error)
        self._remember()

    def _on_end(self, policy: _Policy, trouble: ApplianceError | None) -> None:
        self._ended.put((policy, trouble))
        self._wake()

    def take_in(self) -> None:
        """Note how what was under way has ended."""
        while not self._ended.empty():
            self._end(*self._ended.get())
            self._remember()

    def _end(self, policy: _Policy, trouble: ApplianceError | None) -> None:
        policy.under_way, policy.ended_s, policy.trouble = False, self._clock(), trouble
        if trouble is None:
            policy.members = policy.tried

    def _remember(self) -> None:
        """It is the next daemon's: that it cannot be written is no reason to do nothing."""
        content = {name: [each.reacted(), each.began_s, each.repeats] for name, each in self._policies.items()}
        try:
            files.replace(self._memory, json.dumps(content).encode())
        except ApplianceError as error:
            log.warning("%s", error)


def _remembered(memory: Path) -> dict[str, _Policy]:
    found = files.read(memory)
    try:
        content = json.loads(found.content) if found is not None else {}
        return {
            name: _Policy(tuple(members), began_s=float(at_s), ended_s=float(at_s), repeats=int(repeats))
            for name, (members, at_s, repeats) in content.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}  # a memory that cannot be read is none
