"""A running session: its scene, the machine in it, what is broken just now, and how it all looks."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

from appliance.errors import ApplianceError, InputError, PermanentError
from image.lab.guest import Guest
from image.lab.session import progress
from image.lab.session.scene import Scene, Seen

STATUS = "/run/appliance/status.json"
LOOK_S = 10.0
"""How often those around look once all is well, beside whenever the daemon says something else."""

Tell = Callable[[str], None]


class EndedError(Exception):
    """The session is over, as somebody wants, or as its time is."""


class Session:
    """Others ask it from threads of their own."""

    def __init__(self, scene: Scene, tell: Tell, terminal_line: str = "") -> None:
        """`tell` takes a sentence about what happens. `terminal_line`: the guest's device of the machine's terminal."""
        self.scene = scene
        self.tell = tell
        self.terminal_line = terminal_line
        self.guest: Guest | None = None
        self.status: Mapping[str, Any] = {}
        self.seen: Sequence[Seen] = ()
        self.ending = threading.Event()
        self._changing = threading.Lock()
        self._broken: dict[str, ExitStack] = {}
        self._reached: list[str] = []
        self._looked_at_s = 0.0
        self._expected: str | None = None
        self._deadline_s = math.inf

    # --- when it ends

    def expect(self, word: str, timeout_s: float) -> None:
        """It ends when the appliance is as this word of its says, or that is not so within the time."""
        self._expected, self._deadline_s = word, time.monotonic() + timeout_s

    def is_as_expected(self) -> bool:
        """Whether it is, if anything was expected. EndedError when the session is over anyway."""
        if self.ending.is_set() or time.monotonic() > self._deadline_s:
            raise EndedError
        return self._expected is not None and not self.lacking(self._expected)

    # --- what is broken

    @property
    def broken(self) -> list[str]:
        """The names of what is, in the order in which it was broken."""
        return list(self._broken)

    def break_(self, name: str, broken: AbstractContextManager[None]) -> None:
        """Break something, until it is mended. InputError if it is broken already."""
        with self._changing:
            if name in self._broken:
                raise InputError(f"{name} is there already", hint="appliance lab mend")
            with ExitStack() as stack:
                stack.enter_context(broken)
                self._broken[name] = stack.pop_all()
        self.tell(f"broken: {name}")

    def mend(self, name: str) -> None:
        """Put it right. InputError if it is."""
        with self._changing:
            if name not in self._broken:
                raise InputError(f"{name} is not broken", hint=f"broken is: {', '.join(self._broken) or 'nothing'}")
            self._broken.pop(name).close()
        self.tell(f"mended: {name}")

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Nothing is broken any more after the block; what is gone by then needs no mending."""
        try:
            yield
        finally:
            for stack in self._broken.values():
                with suppress(ApplianceError, AssertionError, OSError):
                    stack.close()

    # --- how it looks

    def hear(self, console: str) -> None:
        """Tell what a machine that boots has reached, by its console. EndedError when the session is over."""
        if self.guest is None:
            self.is_as_expected()
        for words in progress.milestones(console)[len(self._reached) :]:
            self._reached.append(words)
            self.tell(words)

    def look(self) -> None:
        """Ask the machine, and those around it, and tell what is otherwise than before."""
        assert self.guest is not None
        answer = self.guest.ask(["cat", STATUS])
        status = json.loads(answer.output) if answer.code == 0 and answer.output else {}
        told = list(progress.changes(self.status, status))
        for words in told:
            self.tell(words)
        self.status = status
        if told or not self._is_well() or time.monotonic() > self._looked_at_s + LOOK_S:
            self._look_around(self.guest)

    def _look_around(self, guest: Guest) -> None:
        if self.status.get("state") in (None, "config-error") and not self.seen:
            return  # nobody there is served yet
        try:
            seen = self.scene.look(guest)
        except PermanentError as error:  # of the machine itself, the next look will find it
            seen = [Seen("those around it", False, error.message.splitlines()[0])]
        for words in progress.sights(self.seen, seen):
            self.tell(words)
        self.seen, self._looked_at_s = seen, time.monotonic()

    def _is_well(self) -> bool:
        return bool(self.seen) and all(each.is_right for each in self.seen)

    @property
    def reached(self) -> str:
        """How far a machine is that cannot be spoken to yet."""
        return f"it boots: {self._reached[-1]}" if self._reached else "it has no power yet"

    def lacking(self, expected: str) -> list[str]:
        """What keeps it from being as expected, by the last look; empty if it is."""
        if self.guest is None:
            return [self.reached]
        return progress.lacking(expected, self.status, self.seen)
