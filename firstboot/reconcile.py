"""Making the machine what it shall be: observe, compare, act, and observe again.

A kind is right when nothing differs any more, not when its actions returned. One that fails or has to
wait stops only those that need it. What fails again and again is tried at growing intervals.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.kind import Kind, Machine, Remark
from firstboot.plan import Change, diff

ATTEMPTS = 4
SETTLE_S = 0.5
"""Some changes show late (NetworkManager lets go of an interface, an address is found to be nobody else's), so
after each attempt that is waited for, longer each time."""

FREE_TRIES = 2
LONGEST_HOLD_S = 60.0

log = logging.getLogger("appliance")


class State(StrEnum):
    """How a kind ended."""

    OK = "ok"
    WAITING = "waiting"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Outcome:
    """How one kind ended: what was done, and what still differs and why. `setting`: the path that wants it."""

    kind: str
    state: State
    done: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    setting: str = ""


class Executor(Machine, Protocol):
    """A machine that can also be changed."""

    def look(self) -> None:
        """Forget what was seen of it before."""
        ...

    def execute(self, action: Action) -> None:
        """Carry out one action."""
        ...


@dataclass
class _Streak:
    """How often in a row a kind was acted on without getting right, and when last."""

    tries: int = 0
    last_s: float = 0.0

    def held(self, now_s: float) -> bool:
        """Whether it is too early to try again."""
        hold_s = min(2.0 ** (self.tries - FREE_TRIES), LONGEST_HOLD_S) if self.tries > FREE_TRIES else 0.0
        return now_s < self.last_s + hold_s


class Reconciler:
    """Puts kinds right, and remembers which of them would not become so."""

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        alive: Callable[[], None] = lambda: None,
        news: Callable[[], object] = lambda: None,
    ) -> None:
        """`alive` is called before each kind; what `news` returns is another when what is urgent must not wait."""
        self._kinds, self._sleep, self._clock, self._alive, self._news = kinds, sleep, clock, alive, news
        self._appliance: Appliance | None = None
        self._streaks: dict[str, _Streak] = {}

    def reconcile(self, appliance: Appliance, machine: Executor) -> tuple[Outcome, ...]:
        """Put every kind right, in order, and say how each ended. With a new configuration all start afresh."""
        if appliance is not self._appliance:
            self._appliance, self._streaks = appliance, {}
        machine.look()
        outcomes: dict[str, Outcome] = {}
        heard = self._news()
        for kind in self._kinds:
            self._alive()
            if (news := self._news()) != heard:
                heard = news
                self._hurry(appliance, machine, outcomes)
            missing = [name for name in kind.needs if outcomes[name].state is not State.OK]
            if missing:
                outcomes[kind.name] = Outcome(kind.name, State.BLOCKED, error=f"needs {', '.join(missing)}")
            else:
                outcomes[kind.name] = self._put_right(appliance, kind, machine)
        return tuple(outcomes.values())

    def _hurry(self, appliance: Appliance, machine: Executor, outcomes: dict[str, Outcome]) -> None:
        """Put right again what is urgent and has had its turn."""
        machine.look()
        for kind in self._kinds:
            if kind.urgent and kind.name in outcomes:
                again = self._put_right(appliance, kind, machine)
                outcomes[kind.name] = replace(again, done=(*outcomes[kind.name].done, *again.done))

    def is_settled(self, outcomes: Iterable[Outcome]) -> bool:
        """Whether trying again is of no use: a remark is taken back by other facts, and those wake the daemon."""
        remarks = {kind.name for kind in self._kinds if isinstance(kind, Remark)}
        return all(outcome.state is State.OK or outcome.kind in remarks for outcome in outcomes)

    def _put_right(self, appliance: Appliance, kind: Kind[Any], machine: Executor) -> Outcome:
        streak = self._streaks.setdefault(kind.name, _Streak())
        done: list[str] = []
        try:
            problem, changes = self._attempt(appliance, kind, machine, done, streak)
        except ApplianceError as error:
            problem, changes = error, ()
        except Exception as error:
            log.exception("%s", kind.name)
            problem, changes = PermanentError(f"a bug in the appliance: {type(error).__name__}: {error}"), ()
        if problem is None and not changes:
            streak.tries = 0
        return _outcome(kind, done, changes, problem)

    def _attempt(
        self, appliance: Appliance, kind: Kind[Any], machine: Executor, done: list[str], streak: _Streak
    ) -> tuple[ApplianceError | None, Sequence[Change[Any]]]:
        problem: ApplianceError | None = None
        changes = plan(appliance, kind, machine)
        for attempt in range(ATTEMPTS - 1):
            actions = _without_repetition(action for change in changes for action in kind.actions(change))
            if not changes or streak.held(self._clock()) or not (actions or done):
                break
            if attempt:
                self._sleep(SETTLE_S * attempt)
            before = len(done)
            problem = _execute(actions, machine, done)
            machine.look()
            changes = plan(appliance, kind, machine)
            if problem is not None and len(done) == before:
                break  # nothing was changed, so trying at once again would end the same
        if done or problem:
            streak.tries, streak.last_s = streak.tries + 1, self._clock()
        return (problem or _explained(kind, changes) if changes else None), changes


def plan(appliance: Appliance, kind: Kind[Any], machine: Machine) -> tuple[Change[Any], ...]:
    """What differs of one kind, now."""
    want = kind.desired(appliance, machine.facts())
    return diff(want, kind.observe(machine, want))


def _explained(kind: Kind[Any], changes: Sequence[Change[Any]]) -> ApplianceError | None:
    return next((error for change in changes if (error := kind.explain(change)) is not None), None)


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


def _outcome(
    kind: Kind[Any], done: list[str], changes: Sequence[Change[Any]], problem: ApplianceError | None
) -> Outcome:
    differs = tuple(map(str, changes))
    if problem is None and not changes:
        return Outcome(kind.name, State.OK, tuple(done))
    if problem is None:
        return Outcome(kind.name, State.FAILED, tuple(done), differs, "; ".join(differs), "", kind.setting)
    state = State.WAITING if isinstance(problem, TemporaryError) else State.FAILED
    return Outcome(kind.name, state, tuple(done), differs, problem.message, problem.hint, kind.setting)


def _without_repetition(actions: Iterable[Action]) -> list[Action]:
    """One action may serve several changes."""
    return list(dict.fromkeys(actions))
