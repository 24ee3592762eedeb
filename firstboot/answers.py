"""What the daemon tells those who ask over the bus, and what it signals by itself.

The machine is looked at in the worker, between two passes; what is made of that is pure, and no pass waits for it.
One look answers all who ask within a second, unless a pass has ended since.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import Any, Protocol, TypeVar

from appliance.completion import completion
from appliance.errors import InputError, Mark, TemporaryError
from appliance.model import Appliance, Profile
from firstboot import firewall_told
from firstboot.api import Api
from firstboot.history import History
from firstboot.host import Host
from firstboot.intent import Intent, Seen, intent, keys_meant, names_in, planned, seen
from firstboot.kind import Kind, Machine
from firstboot.origins import Origins
from firstboot.passes import Passes
from firstboot.reconcile import Outcome, State
from firstboot.status import Status, line_of
from firstboot.tunnels.said import said_of
from firstboot.turns import Turns
from firstboot.variation import value_at

T = TypeVar("T")

SIMILAR = 4
"""So many names are told that may have been meant."""

FRESH_S = 1.0
"""For so long a look at the machine answers whoever asks: everybody may, and every look keeps a pass waiting."""


@dataclass(frozen=True)
class Looks:
    """A configuration, where its settings stand, and how each kind that has a say in it looks.

    `new`: those of the settings that are others than in the configuration in force.
    """

    appliance: Appliance
    marks: Mapping[str, Mark]
    seen: Sequence[Seen]
    new: frozenset[str] = frozenset()


class Worker(Protocol):
    """Has something looked at between two passes."""

    def __call__(self, look: Callable[[Passes, Host], T], /) -> Awaitable[T]:
        """What `look` gives."""
        ...


class Answers:
    """Keeps what was told last. `wake` brings the next pass; `confirm` keeps what is on trial, if anything is."""

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        history: History,
        in_worker: Worker,
        wake: Callable[[], None],
        confirm: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kinds, self._history = kinds, history
        self._in_worker, self._wake, self._confirm = in_worker, wake, confirm
        self._state, self._json = "starting", "{}\n"
        self._clock, self._turns = clock, Turns(clock)
        self._last: tuple[float, Looks] | None = None
        """When what is in force was looked at last, and what was seen; None once a pass has changed that."""

    def note(self, told: Status, content: str) -> None:
        """Keep what a pass tells; `content`: the same as JSON. To be called in the worker."""
        self._state, self._json, self._last = told.overall, content, None

    def signal(self, api: Api, outcomes: Iterable[Outcome], state_before: str) -> None:
        """Tell what a pass put right, and a new state."""
        for outcome in outcomes:
            if outcome.done and outcome.state is State.OK:
                api.repaired(outcome.kind, "; ".join(outcome.done))
        if self._state != state_before:
            api.state_changed()

    async def plan_json(self) -> str:
        """What would be done now: what differs, which action, and which line of appliance.yaml wants it."""
        return await self._answer(self._now, _plan)

    async def plan_for_json(self, text: str) -> str:
        """The same, were that what appliance.yaml says. Raises `ConfigError` with all that is wrong in it."""
        return await self._answer(partial(self._looked, partial(self._looks_with, text.encode())), _plan)

    async def explain_json(self, thing: str) -> str:
        """All that is known of a thing. Raises `InputError` where nothing has that name."""
        return await self._answer(self._now, partial(self._explanation, thing))

    async def firewall_json(self) -> str:
        """The firewall's policy, each rule with its line of appliance.yaml and what it has counted."""
        return await self._asked_in_worker(firewall_told.explained)

    async def test_firewall_json(self, source: str, destination: str, port: str) -> str:
        """Which rule would decide about packets from there to there. Raises `InputError`."""
        return await self._asked_in_worker(partial(firewall_told.tested, source, destination, port))

    async def _asked_in_worker(self, ask: Callable[[Passes, Host], Mapping[str, Any]]) -> str:
        async with self._turns.turn():
            found = await self._in_worker(lambda passes, host: self._turns.timed(partial(ask, passes, host.aside())))
        return json.dumps(found, indent=2) + "\n"

    async def _answer(self, look: Callable[[], Awaitable[Looks]], told: Callable[[Looks], Any]) -> str:
        async with self._turns.turn():
            looks = await look()
            found = await asyncio.to_thread(self._turns.timed, partial(told, looks))
        return json.dumps(found, indent=2) + "\n"

    async def _now(self) -> Looks:
        last = self._last
        if last is not None and self._clock() < last[0] + FRESH_S:
            return last[1]
        return await self._looked(self._looks_now)

    async def _looked(self, look: Callable[[Passes, Host], Looks]) -> Looks:
        return await self._in_worker(lambda passes, host: self._turns.timed(partial(look, passes, host)))

    def _looks_now(self, passes: Passes, host: Host) -> Looks:
        configuration = passes.in_force
        if configuration is None:
            raise TemporaryError("the daemon is still starting", hint="try again in a few seconds")
        looks = Looks(configuration.appliance, configuration.marks, self._seen(configuration.appliance, host))
        self._last = (self._clock(), looks)
        return looks

    def _looks_with(self, data: bytes, passes: Passes, host: Host) -> Looks:
        parsed = passes.configurations.checked(data)
        appliance = completion(parsed.appliance, *said_of(parsed.appliance, host.aside().facts())).appliance
        before = passes.in_force.appliance if passes.in_force is not None else Appliance(profile=Profile.CUSTOM)
        new = frozenset(path for path in parsed.marks if value_at(appliance, path) != value_at(before, path))
        return Looks(appliance, parsed.marks, self._seen(appliance, host), new)

    def _seen(self, appliance: Appliance, host: Host) -> Sequence[Seen]:
        machine: Machine = host.aside()
        return [seen(appliance, kind, machine) for kind in self._kinds if kind.has_say(appliance, machine.facts())]

    def _explanation(self, thing: str, looks: Looks) -> Mapping[str, Any]:
        marks = looks.marks
        is_setting = value_at(looks.appliance, thing) is not None
        parts = [part for look in looks.seen if (part := self._part(thing, is_setting, looks, look)) is not None]
        if not parts and not is_setting and thing not in marks:
            raise _unknown(thing, marks, looks.seen)
        setting = {"setting": thing, "line": line_of(thing, marks)} if is_setting or thing in marks else {}
        return {"thing": thing, **setting, "kinds": parts}

    def _part(self, thing: str, is_setting: bool, looks: Looks, look: Seen) -> Mapping[str, Any] | None:
        origins = Origins(look.kind, looks.appliance, look.facts)
        keys = keys_meant(look, origins, thing, is_setting=is_setting)
        if keys is not None and not keys:
            return None
        name = look.kind.name
        last = self._history.last.get(name)
        state = {"state": last.state, "last_error": last.error} if last is not None else {}
        return {**asdict(intent(look, origins, looks.marks, keys)), **state, "history": self._history.of(name, keys)}

    def status_json(self) -> str:
        """The outcome of the last pass."""
        return self._json

    def state(self) -> str:
        """The appliance in one word."""
        return self._state

    def apply(self) -> None:
        """Look at everything and put it right."""
        self._wake()

    def confirm(self) -> None:
        """Keep the configuration that is on trial. Raises `InputError` where none is."""
        if not self._confirm():
            raise InputError("no configuration is on trial", hint="`appliance status` tells which one is in force")


def _plan(looks: Looks) -> Mapping[str, Any]:
    intents = (planned(look, Origins(look.kind, looks.appliance, look.facts), looks.marks) for look in looks.seen)
    return {"kinds": [asdict(_with_new_ones_first(each, looks.new)) for each in intents if each is not None]}


def _with_new_ones_first(each: Intent, new: Collection[str]) -> Intent:
    """Of all the settings that a file is made of, those that are others now are why it would be written."""
    by_key = each.wanted_by.items()
    wanted_by = {key: tuple(sorted(found, key=lambda one: one.setting not in new)) for key, found in by_key}
    return replace(each, wanted_by=wanted_by)


def _unknown(thing: str, marks: Collection[str], found: Sequence[Seen]) -> InputError:
    near = get_close_matches(thing, _names(marks, found), SIMILAR)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "a part that `appliance status` lists, a setting of appliance.yaml, an interface, an address, a route, "
        "a file or a kernel setting"
    )
    return InputError(f"nothing here is called {thing!r}", hint=hint)


def _names(marks: Collection[str], found: Sequence[Seen]) -> Sequence[str]:
    """All that can be asked for."""

    def names() -> Iterator[str]:
        yield from (path for path in marks if path)
        for look in found:
            yield look.kind.name
            for spec in (*look.want, *look.have):
                yield from names_in(spec)

    return list(dict.fromkeys(names()))
