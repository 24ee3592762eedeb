"""Whether what was read is still so: found at every change, and without reading where nothing changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from appliance.errors import TemporaryError
from firstboot import files
from firstboot.kind import FileState
from firstboot.readings import FRESH_NS, Readings


class Looks:
    """Reads a file, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def __call__(self) -> FileState | None:
        self.count += 1
        return files.read(self.path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "made.conf"
    made.write_text("domain-needed\n")
    return made


def long_ago(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a file's last change cannot be set: so now is later."""
    time.sleep(0.02)  # what is changed from here on has another time
    now_ns = path.stat().st_ctime_ns + 2 * FRESH_NS
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)


def edit(file: Path) -> None:
    file.write_text("domain-needed#")


def edit_and_hide(file: Path) -> None:
    """As long, and with the old time."""
    known = file.stat()
    edit(file)
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))


def exchange(file: Path) -> None:
    files.replace(file, b"domain-needed#")


def open_to_all(file: Path) -> None:
    file.chmod(0o666)


def remove(file: Path) -> None:
    file.unlink()


CHANGES = (edit, edit_and_hide, exchange, open_to_all, remove)


@pytest.mark.parametrize("is_fresh", [True, False])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_found(
    change: Callable[[Path], None], file: Path, monkeypatch: pytest.MonkeyPatch, *, is_fresh: bool
) -> None:
    if not is_fresh:
        long_ago(file, monkeypatch)
    readings, look = Readings(), Looks(file)
    readings.take(file, look, file)
    assert readings.hold()
    change(file)
    assert not readings.hold() and not readings.hold()


def test_what_is_old_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago(file, monkeypatch)
    readings, look = Readings(), Looks(file)
    found = readings.take(file, look, file)
    assert found is not None and found.content == b"domain-needed\n"
    assert readings.hold() and look.count == 1


def test_what_was_just_written_is_read_until_it_is_old(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings, look = Readings(), Looks(file)
    readings.take(file, look, file)
    assert readings.hold() and readings.hold() and look.count == 3
    long_ago(file, monkeypatch)
    assert readings.hold() and look.count == 4
    assert readings.hold() and look.count == 4


def test_writing_the_same_is_no_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago(file, monkeypatch)
    readings = Readings()
    readings.take(file, Looks(file), file)
    time.sleep(0.02)
    file.write_text("domain-needed\n")
    assert readings.hold()


def test_what_was_not_there_is_found_when_it_is(tmp_path: Path) -> None:
    readings, path = Readings(), tmp_path / "new"
    assert readings.take(path, partial(files.read, path), path) is None
    assert readings.hold()
    path.write_text("")
    assert not readings.hold()


def test_a_folder_is_another_with_another_file_in_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago(file.parent, monkeypatch)
    readings = Readings()
    readings.take("*.conf", lambda: sorted(file.parent.glob("*.conf")), file.parent)
    (file.parent / "notes.txt").touch()
    assert readings.hold(), "it is not one of them"
    (file.parent / "other.conf").touch()
    assert not readings.hold()


def test_what_has_no_file_is_looked_at_every_time() -> None:
    readings, names = Readings(), ["raspberrypi", "raspberrypi", "gateway"]
    readings.take("hostname", lambda: names.pop(0))
    assert readings.hold() and not readings.hold()


def test_the_last_reading_counts() -> None:
    readings, value = Readings(), ["0"]
    readings.take("ip_forward", lambda: value[0])
    value[0] = "1"
    readings.take("ip_forward", lambda: value[0])
    assert readings.hold()
    value[0] = "0"
    assert not readings.hold()
    readings.forget()
    assert readings.hold(), "nothing is known"


def test_what_cannot_be_read_any_more_has_changed() -> None:
    def look() -> str:
        if readable:
            return "1"
        raise TemporaryError("ip_forward cannot be read")

    readings, readable = Readings(), True
    readings.take("ip_forward", look)
    readable = False
    assert not readings.hold()
