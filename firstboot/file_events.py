"""Being woken when a file that was read changes: inotify(7), on the folders that such files are in."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from firstboot.sources import NOTHING, Source

_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE, _IN_MOVED_FROM, _IN_MOVED_TO, _IN_DELETE = 0x02, 0x04, 0x08, 0x40, 0x80, 0x200
_IN_Q_OVERFLOW, _IN_IGNORED, _IN_ONLYDIR = 0x4000, 0x8000, 0x01000000
_WHOLE = _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_DELETE
"""What leaves a file as it will be read: not each write of somebody who has it open."""

_EVENT = struct.Struct("=iIII")  # inotify_event: watch, mask, cookie, length of the name
_BUFFER_BYTES = 1 << 16
_SILENT = ("/proc", "/sys")
"""File systems of the kernel's, which tell nothing this way."""


class FileEvents:
    """Messages about files. Folders that are not there (yet) are left to the glance."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        self._names: dict[Path, frozenset[str]] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._descriptor)

    def watch(self, paths: Iterable[Path], open_ones: Collection[Path] = ()) -> None:
        """Tell of these from now on, and of no others.

        `open_ones`: those that their writer never closes. Each write is told of; all are in folders of their own.
        """
        names: dict[Path, set[str]] = defaultdict(set)
        for path in paths:
            if not str(path).startswith(_SILENT):
                names[path.parent].add(path.name)
        for folder in names.keys() - set(self._folders.values()):
            mask = _WHOLE | (_IN_MODIFY if any(path.parent == folder for path in open_ones) else 0)
            watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask | _IN_ONLYDIR)
            if watch >= 0:
                self._folders[watch] = folder
        self._names = {folder: frozenset(found) for folder, found in names.items()}

    def drain(self) -> Source:
        """Throw away what has arrived; say whether a file that was read may be another since."""
        changed = NOTHING
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER_BYTES)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                return changed
            offset = 0
            while offset < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, offset)
                offset += _EVENT.size + length
                if self._concerns(watch, mask, data[offset - length : offset]):
                    changed |= Source.FILES | Source.SURROUNDINGS

    def _concerns(self, watch: int, mask: int, name: bytes) -> bool:
        if mask & _IN_IGNORED:
            self._folders.pop(watch, None)
            return True
        if mask & _IN_Q_OVERFLOW or not name:
            return True
        known = self._names.get(self._folders.get(watch, Path()), frozenset())
        return os.fsdecode(name.rstrip(b"\0")) in known

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
