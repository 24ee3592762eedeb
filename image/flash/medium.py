"""The door to the disk: what is written there is on it, and what is read comes from it, not from the page cache."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from appliance.errors import InputError

CHUNK_BYTES = 4 << 20
"""How much is written at once. Cards erase up to so much at a time."""
BLOCK_BYTES = 4096
"""Where anything begins that is written, and how long it is, is a multiple of 512; the first of all is so long."""

_BLKRRPART = 0x125F  # linux/fs.h


class Medium(Protocol):
    """A disk that is open. Everything raises OSError, and `at` is counted in bytes from its beginning."""

    @property
    def size_bytes(self) -> int:
        """All that it says to have."""

    @property
    def is_disk(self) -> bool:
        """Whether it is not a file in place of one."""

    def write(self, at: int, data: memoryview) -> int:
        """Write up to `CHUNK_BYTES`; returns how much was."""

    def read(self, at: int, size: int) -> bytes:
        """Read up to `CHUNK_BYTES`; what comes may be shorter."""

    def flush(self) -> None:
        """Come back when everything is on the disk."""

    def forget(self) -> None:
        """Have what is read next come from the disk."""

    def reread_table(self) -> None:
        """Have the kernel look at the partition table again."""


class Opened:
    """A block device, past the page cache (O_DIRECT: an error is then told where it happens); or a file."""

    def __init__(self, number: int, *, direct: bool, is_disk: bool) -> None:
        self._number = number
        self.is_disk = is_disk
        # Past the page cache, the kernel wants memory at multiples of its own.
        self._buffer = memoryview(mmap.mmap(-1, CHUNK_BYTES)) if direct else None
        self.size_bytes = os.lseek(number, 0, os.SEEK_END)

    def write(self, at: int, data: memoryview) -> int:
        """As `Medium` has it."""
        if self._buffer is None:
            return os.pwrite(self._number, data, at)
        part = data[:CHUNK_BYTES]
        self._buffer[: len(part)] = part
        return os.pwrite(self._number, self._buffer[: len(part)], at)

    def read(self, at: int, size: int) -> bytes:
        """As `Medium` has it."""
        if self._buffer is None:
            return os.pread(self._number, size, at)
        part = self._buffer[: min(size, CHUNK_BYTES)]
        return bytes(part[: os.preadv(self._number, [part], at)])

    def flush(self) -> None:
        """As `Medium` has it."""
        os.fsync(self._number)

    def forget(self) -> None:
        """As `Medium` has it."""
        os.posix_fadvise(self._number, 0, 0, os.POSIX_FADV_DONTNEED)

    def reread_table(self) -> None:
        """As `Medium` has it."""
        if self.is_disk:
            fcntl.ioctl(self._number, _BLKRRPART)


@contextmanager
def opened(path: Path) -> Iterator[Medium]:
    """Open a disk, or a file in place of one, for us alone. Raises InputError if that cannot be."""
    is_disk = stat.S_ISBLK(path.stat().st_mode)
    # O_EXCL of a block device: the kernel refuses it if anything on it is mounted or held, and refuses that until it
    # is closed (open(2)).
    flags = os.O_EXCL | os.O_DIRECT if is_disk else 0
    try:
        number = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags)
    except OSError as error:
        raise (_not_opened if is_disk else _file_not_opened)(path, error) from error
    try:
        if not is_disk:
            _hold(path, number)
        yield Opened(number, direct=is_disk, is_disk=is_disk)
    finally:
        with suppress(OSError):  # of a disk that was pulled out
            os.close(number)


def _hold(path: Path, number: int) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{path} is in use by another program", hint="wait until that has ended") from error


def _file_not_opened(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be written: {error.strerror}", hint="give a file of yours, on a disk that has room"
    )


def _not_opened(path: Path, error: OSError) -> InputError:
    match error.errno:
        case errno.EBUSY:
            why, hint = "is in use: something on it is mounted, or held by another program", "end that first"
        case errno.EACCES | errno.EPERM:
            why, hint = "may not be written by you", "call the same with sudo before it"
        case errno.EROFS:
            why, hint = "is read-only", "is there a slider on the card's side? Push it away from `Lock`"
        case errno.ENOMEDIUM | errno.ENXIO | errno.ENODEV:
            why, hint = "has no card in it", "put one in"
        case _:
            why, hint = f"cannot be opened: {error.strerror}", "take it out, put it in again, and try once more"
    return InputError(f"{path} {why}", hint=hint)
