"""Being told of files, by the real inotify."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firstboot.file_events import FileEvents
from firstboot.sources import NOTHING, Source

FILES = Source.FILES | Source.SURROUNDINGS


@pytest.fixture
def events() -> Iterator[FileEvents]:
    made = FileEvents()
    yield made
    made.close()


def renamed_onto(path: Path) -> None:
    new = path.with_name("new")
    new.write_text("other")
    new.rename(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda path: path.write_text("other"),
    "replaced": renamed_onto,
    "removed": lambda path: path.unlink(),
    "moved away": lambda path: path.rename(path.with_name("elsewhere")),
    "another mode": lambda path: path.chmod(0o600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_file_that_was_read_is_told(events: FileEvents, tmp_path: Path, change: str) -> None:
    path = tmp_path / "read"
    path.write_text("one")
    events.watch([path])
    CHANGES[change](path)
    assert select.select([events], [], [], 2)[0]
    assert events.drain() == FILES
    assert events.drain() == NOTHING


def test_a_file_that_was_not_there_is_told_of_when_it_comes(events: FileEvents, tmp_path: Path) -> None:
    events.watch([tmp_path / "missing"])
    (tmp_path / "missing").write_text("here")
    assert events.drain() == FILES


def test_others_are_not_nor_what_is_read_nor_what_is_being_written(events: FileEvents, tmp_path: Path) -> None:
    path = tmp_path / "read"
    path.write_text("one")
    events.watch([path])
    (tmp_path / "other").write_text("other")
    path.read_text()
    with path.open("a") as file:
        file.write("more")
        file.flush()
        os.fsync(file.fileno())
        assert events.drain() == NOTHING
    assert events.drain() == FILES


def test_each_write_of_one_that_is_never_closed_is_told(events: FileEvents, tmp_path: Path) -> None:
    """As dnsmasq does with its leases."""
    path = tmp_path / "leases"
    with path.open("a+") as file:
        events.watch([path], open_ones=[path])
        for text in ("one", "another"):
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()
            assert events.drain() == FILES
        assert events.drain() == NOTHING


def test_what_is_not_watched_any_more_is_not_told(events: FileEvents, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    events.watch([first])
    events.watch([second])
    first.write_text("one")
    assert events.drain() == NOTHING
    second.write_text("one")
    assert events.drain() == FILES


def test_a_folder_that_goes_is_told_and_watched_again_once_it_is_back(events: FileEvents, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    path = folder / "read"
    events.watch([path])  # there is none yet: no error
    folder.mkdir()
    events.watch([path])
    folder.rmdir()
    assert events.drain() == FILES
    folder.mkdir()
    events.watch([path])
    path.write_text("one")
    assert events.drain() == FILES


def test_more_than_fits_is_told_as_something(events: FileEvents, tmp_path: Path) -> None:
    path = tmp_path / "read"
    events.watch([path])
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(most + 10):
        (tmp_path / f"other{number % 2}").touch()
    assert events.drain() == FILES


def test_the_kernels_own_files_are_left_to_the_glance(events: FileEvents) -> None:
    events.watch([Path("/proc/sys/net/ipv4/ip_forward"), Path("/sys/class/net/lo")])
    assert events.drain() == NOTHING
