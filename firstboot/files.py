"""Files, replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.errors import PermanentError, TemporaryError
from firstboot.kind import FileState

_CHUNK_BYTES = 1 << 16


def read(path: Path) -> FileState | None:
    """A file; None if it is not there.

    By the system's calls alone: the kernel's settings are read every minute, and a Zero takes longer for an open file's
    Python object than for the file.
    """
    descriptor = _opened(path)
    if descriptor is None:
        return None
    try:
        content = b"".join(iter(lambda: os.read(descriptor, _CHUNK_BYTES), b""))
        return FileState(content, os.fstat(descriptor).st_mode & 0o7777)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def setting(path: str) -> str | None:
    """A value of the kernel's, of which one call tells all; None if it is not there. Read by the hundred."""
    descriptor = _opened(path)
    if descriptor is None:
        return None
    try:
        return os.read(descriptor, _CHUNK_BYTES).decode("ascii").strip()
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _opened(path: Path | str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path | str, error: OSError) -> TemporaryError:
    return TemporaryError(f"{path} cannot be read: {error.strerror}")


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file, or make it: after a power cut it has either the old content or the new.

    `mode` is ignored where the file system has none (FAT).
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content, mode)


def amend(path: Path, content: bytes) -> None:
    """Replace what is in somebody else's file, in the same way. Mode and owner stay, links still lead to it."""
    with _explained(path):
        target = path.resolve()
        status = target.stat()
        _replace(target, content, status.st_mode & 0o7777, (status.st_uid, status.st_gid))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", hint="is the file system full, or read-only (df, mount)?"
        ) from error


def _replace(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    new = path.with_name(f".{path.name}.new")
    _write(new, content, mode, owner)
    new.rename(path)
    _sync_folder(path.parent)


def _write(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if owner is not None:
            os.fchown(descriptor, *owner)  # first: it takes away some bits of the mode
        with suppress(PermissionError):  # FAT refuses a mode that it cannot hold
            os.fchmod(descriptor, mode)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
