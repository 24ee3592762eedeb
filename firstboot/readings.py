"""What was read of the machine, so that it can be told at little cost whether any of it has changed since."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from appliance.errors import ApplianceError

FRESH_NS = 2 * 10**9
"""A file that was changed so lately may be changed once more within one tick of the kernel's clock, unseen."""

T = TypeVar("T")
Stamp = tuple[int, ...]
"""What changes when a file or a folder does; () for one that is not there."""


@dataclass
class _Reading:
    look: Callable[[], object]
    found: object
    path: Path | None
    stamp: Stamp | None
    """None where only another look can tell."""

    def holds(self) -> bool:
        if self.stamp is not None and self.path is not None and self.stamp == _stamp(self.path):
            return True
        stamp = _lasting_stamp(self.path)
        try:
            if self.look() != self.found:
                return False
        except ApplianceError:
            return False  # whoever reads it next will say why
        self.stamp = stamp
        return True


class Readings:
    """The last reading of each thing."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, _Reading] = {}

    def take(self, key: Hashable, look: Callable[[], T], path: Path | None = None) -> T:
        """What `look` finds now. `path`: the file or folder that is another when it would find anything else."""
        stamp = _lasting_stamp(path)  # before the look: what changes in between is seen to be another
        found = look()
        self._by_key[key] = _Reading(look, found, path, stamp)
        return found

    def forget(self) -> None:
        """Begin anew."""
        self._by_key.clear()

    def paths(self) -> set[Path]:
        """The files and folders that were read, also those that are not there."""
        return {reading.path for reading in self._by_key.values() if reading.path is not None}

    def hold(self) -> bool:
        """Whether everything would be found now as it was then."""
        return all(reading.holds() for reading in self._by_key.values())


def _lasting_stamp(path: Path | None) -> Stamp | None:
    if path is None:
        return None
    stamp = _stamp(path)
    return stamp if not stamp or max(stamp[-2:]) < time.time_ns() - FRESH_NS else None


def _stamp(path: Path) -> Stamp:
    try:
        known = os.stat(path)  # noqa: PTH116 (many of them every minute: Path.stat costs a Zero twice as much)
    except OSError:
        return ()
    return (known.st_ino, known.st_mode, known.st_size, known.st_mtime_ns, known.st_ctime_ns)
