from __future__ import annotations

import errno
import fcntl
import tempfile
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from image.output import clean, full_disk_explained, written


def test_the_file_is_there_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "made/a.img"
    with written(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert [file.name for file in target.parent.iterdir()] == ["a.img"]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.img"
    target.write_text("old")
    with pytest.raises(RuntimeError), written(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "a.img"), "the disk is full: a.img"),
        (OSError(errno.ENOSPC, "No space left on device", "a.img", None, "b.img"), "the disk is full: b.img"),
        (PermanentError("cp a b failed\n  b: No space left on device"), "the disk is full: cp a b failed"),
    ],
)
def test_a_full_disk_is_told_once(error: Exception, message: str) -> None:
    with pytest.raises(InputError) as told, full_disk_explained("make room"):
        raise error
    assert (told.value.message, told.value.hint) == (message, "make room")


def test_what_a_killed_build_left_is_removed_but_not_what_another_is_making(tmp_path: Path) -> None:
    dead, alive, users = (tmp_path / name for name in (".appliance-1.part", ".appliance-2.part", "mine.part"))
    for file in (dead, alive, users):
        file.touch()
    with alive.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        clean(tmp_path)
    assert sorted(tmp_path.iterdir()) == [alive, users]


def test_what_another_build_clears_up_before_it_is_held_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, began = tempfile.mkstemp, []

    def interrupted(*, prefix: str, suffix: str, dir: Path) -> tuple[int, str]:
        number, name = begin(prefix=prefix, suffix=suffix, dir=dir)
        began.append(Path(name))
        if len(began) == 1:
            clean(tmp_path)
        return number, name

    monkeypatch.setattr(tempfile, "mkstemp", interrupted)
    with written(tmp_path / "image") as temporary:
        temporary.write_text("new")
    assert len(began) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["image"]
