"""What the daemon tells those who ask over the bus, and what it signals by itself."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from appliance.errors import InputError
from firstboot.api import Api
from firstboot.configuration import Configuration
from firstboot.history import History
from firstboot.intent import Intent, intent
from firstboot.kind import Kind, Machine
from firstboot.reconcile import Outcome, State
from firstboot.status import Status

Intents = Callable[[Configuration, Machine], Sequence[Intent]]


class Answers:
    """Keeps what was told last. `in_worker` has something looked at between two passes; `wake` brings the next one.

    `confirm` keeps the configuration that is on trial, if one is.
    """

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        in_worker: Callable[[Intents], Awaitable[Sequence[Intent]]],
        wake: Callable[[], None],
        confirm: Callable[[], bool],
    ) -> None:
        self._kinds, self._in_worker, self._wake, self._confirm = kinds, in_worker, wake, confirm
        self._history = History()
        self._outcomes: dict[str, Outcome] = {}
        self._state, self._json = "starting", "{}\n"

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """How each kind ended last."""
        return self._outcomes

    def note(self, told: Status, content: str) -> None:
        """Keep the outcome of a pass; `content`: the same as JSON."""
        for outcome in told.outcomes:
            self._history.note(outcome)
            self._outcomes[outcome.kind] = outcome
        self._state, self._json = told.overall, content

    def signal(self, api: Api, state_before: str) -> None:
        """Tell what the last pass put right, and a new state."""
        for outcome in self._outcomes.values():
            if outcome.done and outcome.state is State.OK:
                api.repaired(outcome.kind, "; ".join(outcome.done))
        if self._state != state_before:
            api.state_changed()

    async def plan_json(self) -> str:
        """What would be done now: what differs, which action, and which line of appliance.yaml wants it."""
        found = await self._intents(self._kinds)
        content = [asdict(each) for each in found if each.difference or each.error]
        return json.dumps({"kinds": content}, indent=2) + "\n"

    async def explain_json(self, kind: str) -> str:
        """All that is known of a kind."""
        found = await self._intents([each for each in self._kinds if each.name == kind])
        if not found:
            names = ", ".join(self._outcomes)
            raise InputError(f"there is no part called {kind!r}", hint=f"there are: {names}")
        last = self._outcomes.get(kind)
        state = {"state": last.state, "last_error": last.error} if last is not None else {}
        return json.dumps({**asdict(found[0]), **state, "history": self._history.of(kind)}, indent=2) + "\n"

    async def _intents(self, kinds: Sequence[Kind[Any]]) -> Sequence[Intent]:
        def found(configuration: Configuration, machine: Machine) -> Sequence[Intent]:
            appliance = configuration.appliance
            meant = [kind for kind in kinds if appliance.profile in kind.profiles]
            return [intent(appliance, kind, machine, configuration.marks) for kind in meant]

        return await self._in_worker(found)

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
