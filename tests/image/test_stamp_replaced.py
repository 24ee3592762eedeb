"""A device's folder that is there already takes its new content in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from appliance.errors import InputError
from image.cache.store import remove
from image.stamp import device
from image.stamp.device import OWN, SHARED, SUMS, Shared

STAMP = str(Path(device.__file__).parent)
LINES_MAX = 100


class KilledError(BaseException):
    """Nothing handles it, as nothing handles SIGKILL."""


@contextmanager
def killed_before(count: int) -> Iterator[None]:
    """Raise KilledError in the block where so many lines of the package were executed, if they are so many."""
    left = count

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(STAMP):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KilledError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def make(folder: Path, own: bytes) -> Path:
    """Make the device `pi` in `folder`."""
    work = folder / "work"
    work.mkdir()
    shared = folder / "shared"
    shared.write_bytes(b"shared")
    device.folder_of(folder / "pi", own, Shared(shared, hashlib.sha256(b"shared").hexdigest()), work)
    return folder / "pi"


def own_of(target: Path) -> bytes:
    """What a device has of its own; the folder must be whole."""
    assert sorted(file.name for file in target.iterdir()) == [OWN, SHARED, SUMS]
    for line in (target / SUMS).read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((target / name).read_bytes()).hexdigest() == digest
    return (target / OWN).read_bytes()


def test_killed_at_any_line_the_old_or_the_new_one_is_there(tmp_path: Path) -> None:
    found = []
    for count in range(1, LINES_MAX):
        folder = tmp_path / str(count)
        folder.mkdir()
        make(folder, b"old")
        remove(folder / "work")
        try:
            with killed_before(count):
                make(folder, b"new")
        except KilledError:
            remove(folder / "work")  # as the next run does
            found.append(own_of(folder / "pi"))
        else:
            break
    assert set(found) == {b"old", b"new"}
    assert found == sorted(found, reverse=True), "once it is the new one, it stays so"


def test_where_folders_cannot_change_places_the_old_one_stays_and_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, which is not to be had here."""

    def refuse(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(one), None, str(other))

    make(tmp_path, b"old")
    remove(tmp_path / "work")
    monkeypatch.setattr(device, "exchange", refuse)
    with pytest.raises(InputError, match="pi is on a file system that cannot replace a folder in one step") as raised:
        make(tmp_path, b"new")
    assert raised.value.hint == "remove it, or give another folder with --output"
    assert own_of(tmp_path / "pi") == b"old"
