"""Whether anybody reads files of a folder: inotify(7), which is asked now and then and wakes nobody."""

from __future__ import annotations

import ctypes
import os
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path

_IN_ACCESS, _IN_ONLYDIR = 0x01, 0x01000000
_BUFFER_BYTES = 1 << 16


class Watcher:
    """The kernel keeps one event for many alike, and loses what is too many: that somebody read is known all the same.

    Where there is no inotify (or no more of it), nobody is ever seen.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._libc = folder, ctypes.CDLL(None, use_errno=True)

    @cached_property
    def _descriptor(self) -> int:
        """Opened once there is a page: a user may have a hundred of them."""
        descriptor = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if descriptor >= 0:
            weakref.finalize(self, os.close, descriptor)
        return descriptor

    def was_read(self) -> bool:
        """Whether anything was since the last call. The folder need not be there yet."""
        self._libc.inotify_add_watch(self._descriptor, os.fsencode(self._folder), _IN_ACCESS | _IN_ONLYDIR)
        found = False
        with suppress(OSError):  # EAGAIN: nothing more
            while os.read(self._descriptor, _BUFFER_BYTES):
                found = True
        return found
