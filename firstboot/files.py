"""Files, replaced as a whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from appliance.errors import PermanentError, TemporaryError
from firstboot.kind import FileState


def read(path: Path) -> FileState | None:
    """A file; None if it is not there."""
    try:
        with path.open("rb") as file:
            return FileState(file.read(), os.fstat(file.fileno()).st_mode & 0o7777)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TemporaryError(f"{path} cannot be read: {error.strerror}") from error


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file, or make it: after a power cut it has either the old content or the new.

    `mode` is ignored where the file system has none (FAT).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        _write(new, content, mode)
        new.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", hint="is the card full, or mounted read-only (df, mount)?"
        ) from error


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
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
