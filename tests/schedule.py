"""A pytest plugin: which tests may run beside which, where there are several processes for them.

Most of a test's time is spent waiting, so two run at a time. What shares a machine that was booted once stays
together, and what counts the seconds of one has the computer for itself meanwhile.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

FOLDER = Path(__file__).parent.parent / ".cache"
SHARED_MACHINE = "test_gadget"
"""The files of this beginning share one."""


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
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._tests, fcntl.LOCK_SH)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        yield
        fcntl.flock(self._tests, fcntl.LOCK_UN)

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


_COMPUTER = _Computer()


@contextmanager
def alone() -> Iterator[None]:
    """No other test runs while the block does: for who counts seconds."""
    with _COMPUTER.alone():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """With what it sets up and takes down."""
    with _COMPUTER.shared():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file of machines by itself, and all the rest together."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("vm") is None:
        return "the rest"
    return SHARED_MACHINE if item.path.name.startswith(SHARED_MACHINE) else item.path.name
