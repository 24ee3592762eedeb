"""Making the machine what it shall be: observe, compare, act, and observe again.

A kind is right when nothing differs any more, not when its actions returned. One that fails or has to
wait never stops the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.kind import Kind, Machine
from firstboot.plan import Change, diff

ATTEMPTS = 4
SETTLE_S = 0.5
"""Some changes show late (NetworkManager lets go of an interface); waited for longer with each attempt."""


class State(StrEnum):
    """How a kind ended."""

    OK = "ok"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """How one kind ended: what was done, and what still differs and why."""

    kind: str
    state: State
    done: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


class Executor(Machine, Protocol):
    """A machine that can also be changed."""

    def execute(self, action: Action) -> None:
        """Carry out one action."""
        ...


def reconcile(
    appliance: Appliance,
    kinds: Sequence[Kind[Any]],
    machine: Executor,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Outcome, ...]:
    """Put every kind right, in order, and say how each ended."""
    return tuple(_put_right(appliance, kind, machine, sleep) for kind in kinds)


def plan(appliance: Appliance, kind: Kind[Any], machine: Machine) -> tuple[Change[Any], ...]:
    """What differs of one kind, now."""
    want = kind.desired(appliance, machine.facts())
    return diff(want, kind.observe(machine, want))


def _put_right(appliance: Appliance, kind: Kind[Any], machine: Executor, sleep: Callable[[float], None]) -> Outcome:
    done: list[str] = []
    problem: ApplianceError | None = None
    changes: tuple[Change[Any], ...] = ()
    for attempt in range(ATTEMPTS):
        try:
            changes = plan(appliance, kind, machine)
        except TemporaryError as error:
            return Outcome(kind.name, State.WAITING, tuple(done), (), error.message, error.hint)
        except ApplianceError as error:
            return Outcome(kind.name, State.FAILED, tuple(done), (), error.message, error.hint)
        if not changes:
            return Outcome(kind.name, State.OK, tuple(done))
        actions = _without_repetition(action for change in changes for action in kind.actions(change))
        if attempt == ATTEMPTS - 1 or not actions:
            break
        if attempt:
            sleep(SETTLE_S * attempt)
        done_before = len(done)
        problem = _execute(actions, machine, done)
        if problem is not None and len(done) == done_before:
            break  # nothing has changed, so looking again would show the same
    return _unfinished(kind.name, done, changes, problem)


def _execute(actions: Sequence[Action], machine: Executor, done: list[str]) -> ApplianceError | None:
    """Carry out what can be carried out; the last error is returned, the rest goes on all the same."""
    problem: ApplianceError | None = None
    for action in actions:
        try:
            machine.execute(action)
        except ApplianceError as error:
            problem = error
        else:
            done.append(str(action))
    return problem


def _unfinished(name: str, done: list[str], changes: Sequence[Change[Any]], problem: ApplianceError | None) -> Outcome:
    differs = tuple(map(str, changes))
    if problem is None:
        return Outcome(name, State.FAILED, tuple(done), differs, "; ".join(differs))
    state = State.WAITING if isinstance(problem, TemporaryError) else State.FAILED
    return Outcome(name, state, tuple(done), differs, problem.message, problem.hint)


def _without_repetition(actions: Any) -> list[Action]:
    """One action may serve several changes (loading the firewall's rules, both families)."""
    return list(dict.fromkeys(actions))
