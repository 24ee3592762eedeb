"""A pytest plugin: which tests may run beside which, where there are several processes for them.

Most of a test's time is spent waiting, so three run at a time. What shares a machine that was booted once stays
together, and what counts the seconds of one has the computer for itself meanwhile.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePath
from typing import IO

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

FOLDER = Path(__file__).parent.parent / ".cache"
SHARED_MACHINE = "test_gadget"
"""The files of machines of this beginning share one."""
NAMESPACES = ("appliance", "firstboot", "lab", "netns")
"""The folders of what needs nothing but namespaces, if that. The others build images, or root file systems, and one
of them looks whether anything is mounted when it is over.
"""
LONGEST_FIRST = (SHARED_MACHINE, "builds", "namespaces", "test_wifi.py", "test_gateway.py", "test_recovery.py")
"""So that nobody waits for the last one for long."""


class _Computer:
    """Tests hold the lock `tests` together, or one of them alone. Who wants it alone holds `next` while it waits, so
    that no other test begins before it.
    """

    def __init__(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        self._tests: IO[str] = (FOLDER / "tests.lock").open("a")
        self._next: IO[str] = (FOLDER / "next.lock").open("a")

    @contextmanager
    def shared(self) -> Iterator[None]:
        self._enter()
        yield
        fcntl.flock(self._tests, fcntl.LOCK_UN)

    def _enter(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._tests, fcntl.LOCK_SH)
        fcntl.flock(self._next, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For who holds it with others, and lets it go first: two that want it alone would wait for each other."""
        fcntl.flock(self._tests, fcntl.LOCK_UN)
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._tests, fcntl.LOCK_EX)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._tests, fcntl.LOCK_SH)

    def give_way(self) -> None:
        """For who holds it with others: whoever waits to have it alone has it now."""
        fcntl.flock(self._tests, fcntl.LOCK_UN)
        self._enter()


_COMPUTER = _Computer()


def give_way() -> None:
    """In a test of minutes, between two steps: nobody who wants to be alone has to wait for its end."""
    _COMPUTER.give_way()


def alone() -> AbstractContextManager[None]:
    """No other test runs while the block does: for who counts seconds."""
    return _COMPUTER.alone()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """With what it sets up and takes down."""
    with _COMPUTER.shared():
        return (yield)


def group(nodeid: str) -> str:
    """What stays in one process with this test."""
    path = PurePath(nodeid.partition("::")[0])
    folder = path.parts[1]
    if folder == "vm":
        return SHARED_MACHINE if path.name.startswith(SHARED_MACHINE) else path.name
    return "namespaces" if folder in NAMESPACES else "builds"


class _ByMachine(LoadScopeScheduling):  # type: ignore[misc]
    """Each file of machines by itself, and the others in two groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = [scope for scope in LONGEST_FIRST if scope in self.workqueue]
        if waiting:
            self.workqueue.move_to_end(waiting[0], last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Not by pytest-xdist's own groups: they do nothing with pytest 9.2, where a test's name cannot be changed."""
    return _ByMachine(config, log)
