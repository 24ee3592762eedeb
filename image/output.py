"""Files that are there completely or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import InputError, PermanentError

_libc = ctypes.CDLL(None)
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_SYNC_FILE_RANGE_WRITE = 2

PREFIX, SUFFIX = ".appliance-", ".part"


@contextmanager
def written(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary file for the block, which then takes the place of `path`; after an error, nothing has changed.

    If it is `private`, only its owner may read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, temporary = _begun(path.parent)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o600 if private else 0o666 & ~mask)
        os.fsync(number)
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(number)


def _begun(folder: Path) -> tuple[int, Path]:
    """A new temporary file, open, with a lock that tells `clean` that somebody is at work on it."""
    while True:
        number, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=folder)
        fcntl.flock(number, fcntl.LOCK_EX)
        if os.fstat(number).st_nlink:
            return number, Path(name)
        os.close(number)  # another build's `clean` was there first


def begin_writing(file: Path) -> None:
    """Have the kernel write a large file to the disk from now on: else whoever syncs another one waits for this one."""
    with file.open("rb") as opened:
        _libc.sync_file_range(opened.fileno(), 0, 0, _SYNC_FILE_RANGE_WRITE)  # what it returns is of no concern


def check_writable(folder: Path, option: str) -> None:
    """Raise InputError if `folder`, which was given with `option`, cannot be made or written to. It is not made."""
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    hint = f"give another folder with {option}"
    if not there.is_dir():
        what = "is not a folder" if there == folder else f"cannot be made: {there} is not a folder"
        raise InputError(f"{folder} {what}", hint=hint)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:  # said when it comes to that, with how much is needed
            raise InputError(f"{folder} cannot be written: {there}: {error.strerror}", hint=hint) from error


@contextmanager
def full_disk_explained(hint: str) -> Iterator[None]:
    """Turn every way in which a full disk shows itself into one error, an InputError with this hint."""
    try:
        yield
    except (OSError, PermanentError) as error:
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise InputError(": ".join(filter(None, ("the disk is full", _what_was_written(error)))), hint=hint) from error


def _what_was_written(error: OSError | PermanentError) -> str:
    """Which file, or by which program, without all that it said; "" where nobody knows."""
    if isinstance(error, OSError):
        return str(error.filename2 or error.filename or "")
    return error.message.partition("\n")[0]


def clean(folder: Path) -> None:
    """Remove the temporary files in `folder` that killed builds left behind."""
    for leftover in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with leftover.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            leftover.unlink()
