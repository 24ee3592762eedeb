"""The daemon itself, its loop and its sockets, in a network namespace: without a bus, on files of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from appliance.model import Appliance
from firstboot.daemon import Daemon
from firstboot.host import Host
from firstboot.kind import Kind
from firstboot.kinds import KINDS
from firstboot.passes import Passed
from firstboot.reconcile import Outcome, State
from firstboot.sources import Source
from tests.netns.namespace import Namespace

START_S, END_S, SOON_S = 20.0, 20.0, 3.0


def soon(holds: Callable[[], bool], *, within_s: float = SOON_S) -> bool:
    """Whether it comes to hold."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class WatchedDaemon(Daemon):
    """Tells when a pass has ended, and how."""

    def __init__(self, folder: Path, kinds: Sequence[Kind[Any]], *, custom: bool) -> None:
        super().__init__(folder, kinds, custom=custom)
        self.ended: list[float] = []
        """When passes did, by the monotonic clock."""
        self.repairs: list[tuple[float, str]] = []
        """When which kind had been put right, and seen to be."""
        self.costs: list[tuple[float, float]] = []
        """What passes took: seconds, and seconds of the processor."""
        self.applied: list[Appliance] = []
        """What was put in force, one after the other."""
        self.passed = threading.Event()
        patch.object(self._history, "note", partial(self._noted, self._history.note)).start()

    def _noted(self, note: Callable[[Sequence[Outcome]], None], outcomes: Sequence[Outcome]) -> None:
        """The kinds of a pass have had their turns."""
        now = time.monotonic()
        self.repairs += [(now, each.kind) for each in outcomes if each.done and each.state is State.OK]
        note(outcomes)

    def look_again(self) -> None:
        """Have a pass over everything. To be called on the loop."""
        self._wake()

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """How each kind ended last."""
        return self._history.last

    def _pass(self, host: Host, changed: Source) -> Passed:
        began, used = time.monotonic(), time.thread_time()
        passed = super()._pass(host, changed)
        now = time.monotonic()
        self.costs.append((now - began, time.thread_time() - used))
        self.ended.append(now)
        in_force = self._passes.in_force
        if in_force is not None and (not self.applied or self.applied[-1] is not in_force.appliance):
            self.applied.append(in_force.appliance)
        self.passed.set()
        return passed


def give_files_of_its_own(namespace: Namespace) -> None:
    """Let whatever is written to /run, /var/lib and /etc be the namespace's alone."""
    for path in ("/run", "/var/lib"):
        namespace.program("mount", "-t", "tmpfs", "tmpfs", path)
    above = Path("/run/above")
    namespace.program("mkdir", "-p", "/run/appliance", "/var/lib/appliance", f"{above}/upper", f"{above}/work")
    layers = f"lowerdir=/etc,upperdir={above}/upper,workdir={above}/work"
    namespace.program("mount", "-t", "overlay", "overlay", "-o", layers, "/etc")


class Living:
    """A daemon that runs until the context ends.

    `config`: what its appliance.yaml says; `custom`: as the package's; `bus`: what plays the bus.
    """

    def __init__(
        self,
        namespace: Namespace,
        folder: Path,
        config: str,
        *,
        without: Sequence[str] = (),
        custom: bool = False,
        bus: Any = None,
    ) -> None:
        self.namespace, self.file, self._custom, self._bus = namespace, folder / "appliance.yaml", custom, bus
        self.file.write_text(config, encoding="utf-8")
        self._kinds = [kind for kind in KINDS if kind.name not in without]
        give_files_of_its_own(namespace)

    def __enter__(self) -> Living:
        self.daemon: WatchedDaemon = self.namespace.call(
            WatchedDaemon, self.file.parent, self._kinds, custom=self._custom
        )
        # A thread that is begun in the namespace lives there, and so do the ones that it begins.
        self._thread: threading.Thread = self.namespace.call(self._begin)
        assert self.daemon.passed.wait(START_S), "the daemon's first pass does not end"
        return self

    def _begin(self) -> threading.Thread:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_until_complete, args=[self.daemon.serve(self._bus)])
        thread.start()
        return thread

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.daemon.stop)
        self._thread.join(END_S)
        assert not self._thread.is_alive(), "the daemon does not end"
        self._loop.close()

    def look_again(self) -> None:
        """Have the daemon look at everything, as it does every quarter of an hour."""
        self._loop.call_soon_threadsafe(self.daemon.look_again)

    def apply(self) -> None:
        """As `appliance apply` does."""
        self._loop.call_soon_threadsafe(self.daemon._ask_again)

    def asked(self, thing: str = "") -> Future[str]:
        """Ask for the plan, or for all about a thing, as the bus does."""
        answers = self.daemon._answers
        return asyncio.run_coroutine_threadsafe(
            answers.explain_json(thing) if thing else answers.plan_json(), self._loop
        )

    def rested(self, quiet_s: float = 0.5) -> None:
        """Wait until the daemon has nothing more to do."""
        before = -1
        while len(self.daemon.ended) != before:
            before = len(self.daemon.ended)
            time.sleep(quiet_s)
