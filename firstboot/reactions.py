"""Reactions that are due soon: settled, not too often, and remembered while the machine runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError
from firstboot import files
from firstboot.actions import ReactSoon


@dataclass(frozen=True)
class _Done:
    """For which interfaces a policy's action was carried out, and when it was last tried (monotonic clock)."""

    members: tuple[str, ...]
    at_s: float = -math.inf
    trouble: str = ""


class Reactions:
    """What is due, and what was done. Used from one thread; `memory` is a file that goes with the power."""

    def __init__(
        self, memory: Path, act: Callable[[ReactSoon], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._memory, self._act, self._clock = memory, act, clock
        self._due: dict[str, tuple[float, ReactSoon]] = {}
        self._done = _remembered(memory)

    def known(self, policy: str, members: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        """For which interfaces a policy's action was carried out, and why the last attempt failed, or "".

        Of a policy that is new nothing is to be done: `members` are as they shall be.
        """
        done = self._done.get(policy, _Done(members))
        return done.members, done.trouble

    def reacted(self, policy: str, members: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        """The same; of a policy that is new, `members` are remembered."""
        if policy not in self._done:
            self._remember(policy, _Done(members))
        known = self.known(policy, members)
        if known[0] == members:
            self._due.pop(policy, None)  # back to what it was before anything was done
        return known

    def soon(self, reaction: ReactSoon) -> None:
        """Have it carried out: once its interfaces have not changed for a while, and not too soon after the last."""
        _, planned = self._due.get(reaction.policy, (0.0, None))
        if planned != reaction:
            self._due[reaction.policy] = (self._clock() + reaction.settle_s, reaction)

    def due_in_s(self) -> float:
        """How long nothing is to be done."""
        return min((self._due_s(reaction) for reaction in self._due), default=math.inf) - self._clock()

    def carry_out(self) -> bool:
        """Do what is due; whether anything was."""
        due = [policy for policy in self._due if self._due_s(policy) <= self._clock()]
        for policy in due:
            _, reaction = self._due[policy]
            try:
                self._act(reaction)
            except ApplianceError as error:
                self._remember(policy, _Done(self._done[policy].members, self._clock(), error.message))
            else:
                del self._due[policy]
                self._remember(policy, _Done(reaction.members, self._clock()))
        return bool(due)

    def _due_s(self, policy: str) -> float:
        settled_s, reaction = self._due[policy]
        return max(settled_s, self._done[policy].at_s + reaction.at_most_every_s)

    def _remember(self, policy: str, done: _Done) -> None:
        self._done[policy] = done
        content = {name: [list(known.members), known.at_s] for name, known in self._done.items()}
        files.replace(self._memory, json.dumps(content).encode())


def _remembered(memory: Path) -> dict[str, _Done]:
    found = files.read(memory)
    try:
        content = json.loads(found.content) if found is not None else {}
        return {name: _Done(tuple(members), float(at_s)) for name, (members, at_s) in content.items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # a memory that cannot be read is none
