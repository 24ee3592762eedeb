"""Which kernel settings the daemon changed, and what they were before: kept while the machine runs.

One line of JSON for each change, so that one of hundreds costs no more than the first. A setting has one entry, of the
interface that has its name now.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from appliance.errors import TemporaryError
from firstboot import files
from firstboot.facts import ChangedSetting

_SECRET = 0o600  # a value may be one (stable_secret)
_SPARE_LINES = 1000


class ChangedSettings:
    """In the order in which they were changed. Used from one thread; `memory` is a file that goes with the power."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = _remembered(memory)
        self._all: tuple[ChangedSetting, ...] | None = None
        self._lines: int | None = None
        """How many there are; None: the last one may be cut short, or nobody counted."""

    def all(self) -> tuple[ChangedSetting, ...]:
        """The same object as long as nothing is another."""
        if self._all is None:
            self._all = tuple(self._known.values())
        return self._all

    def remember(self, changed: ChangedSetting) -> None:
        """It is about to be changed. What it was before the first time counts."""
        known = self._known.get(changed.name)
        if known is not None and known.index == changed.index:
            changed = replace(known, ours=changed.ours)
        if changed != known:
            self._write(asdict(changed))  # what cannot be written is not known either, so that it is tried again
            _note(self._known, changed)

    def forget(self, name: str) -> None:
        """It is what it was, or somebody else's."""
        if name in self._known:
            self._write({"name": name})
            del self._known[name]

    def _write(self, line: dict[str, object]) -> None:
        """Add a line; with it all is written anew where there are too many."""
        self._all, lines, self._lines = None, self._lines, None
        if lines is None or lines > _SPARE_LINES + 2 * len(self._known):
            content = [*map(asdict, self._known.values()), line]
            files.replace(self._memory, b"".join(map(_line, content)), _SECRET)
            self._lines = len(content)
        else:
            self._append(_line(line))
            self._lines = lines + 1

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self._memory, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _SECRET)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise TemporaryError(f"{self._memory} cannot be written: {error.strerror}") from error


def _line(content: dict[str, object]) -> bytes:
    return f"{json.dumps(content)}\n".encode()


def _remembered(memory: Path) -> dict[str, ChangedSetting]:
    found = files.read(memory)
    known: dict[str, ChangedSetting] = {}
    for name, changed in _lines(found.content if found is not None else b""):
        if changed is None:
            known.pop(name, None)
        else:
            _note(known, changed)
    return known


def _note(known: dict[str, ChangedSetting], changed: ChangedSetting) -> None:
    """One that is changed once more keeps its place; that of another interface is another one."""
    before = known.get(changed.name)
    if before is not None and before.index != changed.index:
        del known[changed.name]
    known[changed.name] = changed


def _lines(content: bytes) -> Iterator[tuple[str, ChangedSetting | None]]:
    """What can be read; the last line may have been cut short."""
    for line in content.splitlines():
        try:
            match json.loads(line):
                case {"name": str(name), "before": str(before), "ours": str(ours), "index": int(index)}:
                    yield name, ChangedSetting(name, before, ours, index)
                case {"name": str(name)}:
                    yield name, None
                case _:
                    pass
        except ValueError:
            continue
