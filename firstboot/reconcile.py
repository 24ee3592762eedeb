"""Making the machine what it shall be: observe, compare, act, and observe again.

A kind is right when nothing differs any more, not when its actions returned. One that fails or has to
wait stops only those that need it. What fails again and again is tried at growing intervals, and stops nothing else of
its kind.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import REPAIRED, Action, RemoveFile, WriteFile
from firstboot.contests import INTERRUPTING, USUAL, Contests
from firstboot.facts import Facts
from firstboot.happened import Reasons
from firstboot.kind import Kind, Machine
from firstboot.plan import Change, diff
from firstboot.sources import EVERYTHING, NOTHING, Source
from firstboot.witness import Witness, watched

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
    """How one kind ended: what was done, and what still differs and why. `setting`: the path that wants it.

    `in_vain`: something was done about it, now or before, and it still differs. `about`: for each of `done`, the keys
    of the specs that it was done for. `because`: what had happened before, "" where that is not known; `grounds`: what
    the error is known from, "" where it speaks for itself.
    """

    kind: str
    state: State
    done: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    setting: str = ""
    in_vain: bool = False
    about: tuple[tuple[str, ...], ...] = ()
    because: str = ""
    grounds: str = ""


Writer = Callable[[Source, str, float], str]
"""Of a table, a key and a time by the monotonic clock."""

Deed = tuple[str, tuple[str, ...]]
"""What was done, and the keys of the specs that it was done for."""


class Executor(Machine, Protocol):
    """A machine that can also be changed."""

    def look(self, changed: Source = EVERYTHING) -> None:
        """Forget what was seen of these before."""
        ...

    def execute(self, action: Action) -> None:
        """Carry out one action."""
        ...


@dataclass
class _Streak:
    """How often in a row one thing was acted on without getting right, and when last. `wanted`: as what; on what."""

    wanted: object = None
    footing: object = None
    tries: int = 0
    last_s: float = 0.0

    def held(self, now_s: float) -> bool:
        """Whether it is too early to try again."""
        hold_s = min(2.0 ** (self.tries - FREE_TRIES), LONGEST_HOLD_S) if self.tries > FREE_TRIES else 0.0
        return now_s < self.last_s + hold_s


@dataclass(frozen=True)
class Found:
    """What differs of a kind, and what was looked at to find that: these facts, as they were, and these sources.

    `wanted`: the keys of all that is.
    """

    changes: Sequence[Change[Any]]
    wanted: frozenset[str]
    facts: Mapping[str, object]
    sources: Source

    def holds(self, facts: Facts, changed: Source) -> bool:
        """Whether another look would find the same, where only `changed` may be other than it was."""
        return not self.sources & changed and all(getattr(facts, name) == value for name, value in self.facts.items())


class Reconciler:
    """Puts kinds right, and remembers which are, and which would not become so."""

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        alive: Callable[[], None] = lambda: None,
        news: Callable[[], object] = lambda: None,
        writer: Writer = lambda *_: "",
    ) -> None:
        """`alive` is called before each kind; what `news` returns is another when what is urgent must not wait.

        `writer` names who else took something out of a table (NOTHING: it is in none) after a time, or nobody ("").
        """
        self._kinds, self._sleep, self._clock, self._alive, self._news = kinds, sleep, clock, alive, news
        self._contests, self._writer = Contests(), writer
        self._appliance: Appliance | None = None
        self._streaks: dict[str, dict[str, _Streak]] = {}
        """By kind and key: of all that was acted on, and is not right yet."""
        self._reasons = Reasons()
        self._right: dict[str, Found] = {}
        """What each kind looked at when it was last found right."""
        self._been_right: dict[str, frozenset[str]] = {}
        """By kind, the keys of what was right before, with any configuration: nobody has changed what never was."""
        self._changed = NOTHING
        """What has changed, in this pass too; of what it did itself, the kinds before hear in the next one."""

    def reconcile(self, appliance: Appliance, machine: Executor, changed: Source = EVERYTHING) -> tuple[Outcome, ...]:
        """Put every kind right, in order, and say how each ended. With a new configuration all start afresh.

        A kind that was right is looked at only if something that it looked at then may be another: `changed`.
        """
        self._reasons.begin(is_new=appliance is not self._appliance)
        if appliance is not self._appliance:
            self._appliance, self._streaks, self._right, changed = appliance, {}, {}, EVERYTHING
            self._contests = Contests()
        self._changed |= changed
        machine.look(self._changed)
        did, self._changed = self._changed, NOTHING
        outcomes: dict[str, Outcome] = {}
        heard = self._news()
        for kind in self._asked(appliance, machine):
            self._alive()
            if (news := self._news()) != heard:
                heard = news
                self._hurry(appliance, machine, outcomes)
            missing = [name for name in kind.needs if name in outcomes and outcomes[name].state is not State.OK]
            if missing:
                self._right.pop(kind.name, None)
                outcomes[kind.name] = _blocked(kind, [outcomes[name] for name in missing])
            elif self._is_still_right(kind, machine, did | self._changed):
                outcomes[kind.name] = Outcome(kind.name, State.OK)
            else:
                outcomes[kind.name] = self._put_right(appliance, kind, machine)
        with suppress(ApplianceError):  # whoever looks next says why
            self._reasons.end(machine.facts())
        return tuple(outcomes.values())

    def _asked(self, appliance: Appliance, machine: Machine) -> list[Kind[Any]]:
        """The kinds that have a say."""
        try:
            facts = machine.facts()
        except ApplianceError:
            facts = Facts()  # whoever looks next says why
        return [kind for kind in self._kinds if kind.has_say(appliance, facts)]

    def _is_still_right(self, kind: Kind[Any], machine: Executor, changed: Source) -> bool:
        right = self._right.get(kind.name)
        try:
            return right is not None and right.holds(machine.facts(), changed)
        except ApplianceError:
            return False  # whoever looks next says why

    def _hurry(self, appliance: Appliance, machine: Executor, outcomes: dict[str, Outcome]) -> None:
        """Put right again what is urgent and has had its turn."""
        machine.look()
        for kind in self._kinds:
            if kind.urgent and kind.name in outcomes:
                again = self._put_right(appliance, kind, machine)
                before = outcomes[kind.name]
                outcomes[kind.name] = replace(
                    again,
                    done=(*before.done, *again.done),
                    about=(*before.about, *again.about),
                    because=again.because or before.because,
                )

    def is_settled(self, outcomes: Iterable[Outcome]) -> bool:
        """Whether trying again is of no use."""
        wake = {kind.name for kind in self._kinds if kind.wakes_when_right}
        return all(outcome.state is State.OK or outcome.kind in wake for outcome in outcomes)

    def _put_right(self, appliance: Appliance, kind: Kind[Any], machine: Executor) -> Outcome:
        self._right.pop(kind.name, None)
        been_right = self._been_right.get(kind.name, frozenset())
        done: list[Deed] = []
        changes: Sequence[Change[Any]] = ()
        problem: ApplianceError | None = None
        because: str | None = ""
        try:
            because = self._reasons.why(kind.name, machine.facts())
            problem, found = self._attempt(appliance, kind, machine, done)
            changes = found.changes
            self._reasons.saw(kind.name, found.facts, because, is_right=not changes)
            self._been_right[kind.name] = been_right | found.wanted - {change.key for change in changes}
            if not changes:
                self._right[kind.name] = found
        except ApplianceError as error:
            problem = error
        except Exception as error:
            log.exception("%s", kind.name)
            problem = PermanentError(f"a bug in the appliance: {type(error).__name__}: {error}")
        if because is None:
            because = _found_otherwise(key for _, keys in done for key in keys if key in been_right)
        done = [(what if been_right & {*keys} else what.partition(REPAIRED)[0], keys) for what, keys in done]
        found_so = _outcome(kind, done, changes, problem)
        is_news = bool(done or found_so.error)
        return replace(found_so, in_vain=self._is_in_vain(kind, changes), because=because if is_news else "")

    def _is_in_vain(self, kind: Kind[Any], changes: Sequence[Change[Any]]) -> bool:
        streaks = self._streaks.get(kind.name, {})
        return any(change.key in streaks and streaks[change.key].tries > 0 for change in changes)

    def _attempt(
        self, appliance: Appliance, kind: Kind[Any], machine: Executor, done: list[Deed]
    ) -> tuple[ApplianceError | None, Found]:
        problem: ApplianceError | None = None
        found = look(appliance, kind, machine)
        acted: dict[str, Any] = {}
        for attempt in range(1 if kind.wakes_when_right else ATTEMPTS - 1):
            if attempt and self._actions(kind, found):
                self._sleep(SETTLE_S * attempt)
                machine.look()
                found = look(appliance, kind, machine)
            actions = self._actions(kind, found)
            if not actions:
                break  # whatever is only to be waited for wakes the daemon
            keys = frozenset().union(*actions.values())
            acted |= {change.key: change.want for change in found.changes if change.key in keys}
            before = len(done)
            problem = self._execute(actions, machine, done)
            found = look(appliance, kind, machine)
            if problem is not None and len(done) == before:
                break  # nothing was changed, so trying at once again would end the same
        if not kind.wakes_when_right:
            self._note(kind, acted, found, machine.facts())
        return (problem or self._explained(kind, found.changes) if found.changes else None), found

    def _actions(self, kind: Kind[Any], found: Found) -> Mapping[Action, tuple[str, ...]]:
        """What to do about all that is not left alone, and the keys that it is for."""
        now_s, streaks = self._clock(), self._streaks.get(kind.name, {})

        def is_left_alone(key: str) -> bool:
            return self._contests.held(kind.name, key, now_s) or (key in streaks and streaks[key].held(now_s))

        return actions_for(kind, (change for change in found.changes if not is_left_alone(change.key)))

    def _note(self, kind: Kind[Any], acted: Mapping[str, Any], found: Found, facts: Facts) -> None:
        """Remember what was acted on until it is right, which may be seen in a later pass only."""
        left, now_s = {change.key: change for change in found.changes}, self._clock()
        streaks = self._streaks.setdefault(kind.name, {})
        for key, wanted in acted.items():
            streak = streaks.setdefault(key, _Streak())
            streak.wanted, streak.footing = wanted, kind.footing(wanted, facts) if wanted is not None else None
        for key, streak in tuple(streaks.items()):
            if key not in left:
                del streaks[key]
                self._note_repair(kind, key, streak, found, now_s)
            elif key in acted and not (kind.settles and not kind.actions(left[key])):
                streak.tries, streak.last_s = streak.tries + 1, now_s

    def _note_repair(self, kind: Kind[Any], key: str, streak: _Streak, found: Found, now_s: float) -> None:
        """It may also be that it is not wanted any more."""
        if not kind.gives_way or (streak.wanted is not None) != (key in found.wanted):
            return
        limits = INTERRUPTING if kind.interrupts else USUAL
        writer = partial(self._writer, kind.table, key)
        self._contests.repaired(kind.name, key, (streak.wanted, streak.footing), now_s, limits=limits, writer=writer)

    def _explained(self, kind: Kind[Any], changes: Sequence[Change[Any]]) -> ApplianceError | None:
        now_s = self._clock()
        for change in changes:
            if self._contests.held(kind.name, change.key, now_s):
                hint = "stop the other program, or take from appliance.yaml what it is about"
                return TemporaryError(self._contests.told(kind.name, change.key, now_s), hint=hint)
        return next((error for change in changes if (error := kind.explain(change)) is not None), None)

    def _execute(
        self, actions: Mapping[Action, tuple[str, ...]], machine: Executor, done: list[Deed]
    ) -> ApplianceError | None:
        """Carry out what can be carried out; the last error is returned, the rest goes on all the same."""
        problem: ApplianceError | None = None
        for action, keys in actions.items():
            self._changed |= action.changes
            try:
                machine.execute(action)
            except ApplianceError as error:
                problem = error
            else:
                done.append((str(action), keys))
        return problem


def actions_for(kind: Kind[Any], changes: Iterable[Change[Any]]) -> Mapping[Action, tuple[str, ...]]:
    """What to do about these, in order, and the keys that each is for: one may serve several. Pure."""
    keys: dict[Action, tuple[str, ...]] = {}
    for change in changes:
        for action in kind.actions(change):
            keys[action] = (*keys.get(action, ()), change.key)
    order = sorted(keys, key=lambda action: kind.writes_first and not isinstance(action, WriteFile | RemoveFile))
    return {action: keys[action] for action in order}


def look(appliance: Appliance, kind: Kind[Any], machine: Machine) -> Found:
    """What differs of one kind, now."""
    witness = Witness(machine)
    facts = machine.facts()
    want = kind.desired(appliance, watched(facts, witness.asked))
    changes = diff(want, kind.observe(witness, want))
    keys = frozenset(spec.key for spec in want)
    return Found(changes, keys, {name: getattr(facts, name) for name in witness.asked}, witness.sources)


def _found_otherwise(keys: Iterable[str]) -> str:
    """Why something is done of which nothing is known but that it was right before."""
    first = next(iter(keys), "")
    return f"found otherwise than it was left: {first}" if first else ""


def _blocked(kind: Kind[Any], missing: Sequence[Outcome]) -> Outcome:
    """It waits for these, and the first one says what for."""
    first = missing[0]
    because = first.because if first.state is State.BLOCKED else first.error
    needs = ", ".join(outcome.kind for outcome in missing)
    return Outcome(kind.name, State.BLOCKED, error=f"needs {needs}", because=because)


def _outcome(
    kind: Kind[Any], deeds: list[Deed], changes: Sequence[Change[Any]], problem: ApplianceError | None
) -> Outcome:
    done, about = tuple(what for what, _ in deeds), tuple(keys for _, keys in deeds)
    differs = tuple(map(str, changes))
    if problem is None and not changes:
        return Outcome(kind.name, State.OK, done, about=about)
    if problem is None:
        return Outcome(kind.name, State.FAILED, done, differs, "; ".join(differs), "", kind.setting, about=about)
    state = State.WAITING if isinstance(problem, TemporaryError) else State.FAILED
    setting = problem.setting or kind.setting
    said, hint, grounds = problem.message, problem.hint, problem.grounds
    return Outcome(kind.name, state, done, differs, said, hint, setting, about=about, grounds=grounds)
