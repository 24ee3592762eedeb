"""Disks that do not do what they should, and people who change their mind: what is said, and what is left."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from image.flash import room
from image.flash.medium import opened
from tests.image.flashing import MIB, card, content, flashed, mapped, with_its_checksum

OLD = b"old" * 5000
FIRST_BLOCK = 4096


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "made.img"
    file.write_bytes(content())
    return file


def fails(at: int, number: int) -> Callable[[int, int], int]:
    """A disk that fails when byte `at` is to be written."""

    def writing(begin: int, size: int) -> int:
        if begin <= at < begin + size:
            raise OSError(number, os.strerror(number))
        return size

    return writing


def assert_it_has_no_table(disk: Path) -> None:
    """Neither the old one nor the new one."""
    assert disk.read_bytes()[:FIRST_BLOCK] == bytes(FIRST_BLOCK)


def test_a_good_disk_has_the_image_and_its_first_block_came_last(image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path, before=OLD)
    error, medium = flashed(image, disk)
    assert error is None
    assert disk.read_bytes()[: image.stat().st_size] == image.read_bytes()
    writes = [place for what, place in medium.log if what == "write"]
    assert [place for place in writes if place < 16 * MIB] == [0, FIRST_BLOCK, 4 * MIB, 8 * MIB, 12 * MIB, 0]
    last = len(medium.log) - 1 - medium.log[::-1].index(("write", 0))
    assert medium.log[last + 1 :] == [("flush", 0), ("forget", 0), ("read", 0), ("reread_table", 0)]
    assert ("read", 12 * MIB) in medium.log[:last], "all else was read back before"
    assert medium.log[last - 1] == ("flush", 0)


def test_what_is_read_back_is_not_from_memory(image: Path, tmp_path: Path) -> None:
    _, medium = flashed(image, card(tmp_path))
    reads = [number for number, (what, _) in enumerate(medium.log) if what == "read"]
    assert medium.log[reads[0] - 1] == ("forget", 0)
    assert medium.log[reads[0] - 2] == ("flush", 0)


def test_a_disk_may_take_less_at_once(image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path)
    error, _ = flashed(image, disk, writing=lambda at, size: min(size, 1 << 20))
    assert error is None
    assert disk.read_bytes()[: image.stat().st_size] == image.read_bytes()


@pytest.mark.parametrize(
    ("number", "said", "hint"),
    [
        (errno.EIO, "writing at byte 8388608 failed: Input/output error", "was it taken out? If not"),
        (errno.ENODEV, "the disk is gone: writing at byte 8388608 failed: No such device", "was it taken out?"),
        (errno.ENOSPC, "writing at byte 8388608 failed: No space left on device", "ends before it says"),
    ],
)
def test_a_disk_that_fails_in_the_middle(number: int, said: str, hint: str, image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path, before=OLD)
    error, _ = flashed(image, disk, writing=fails(9 * MIB, number))
    assert isinstance(error, PermanentError)
    assert error.message == f"{said}; what is on {disk} now cannot be used"
    assert hint in error.hint
    assert_it_has_no_table(disk)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENODEV])
def test_a_file_is_no_card(number: int, image: Path, tmp_path: Path) -> None:
    error, _ = flashed(image, card(tmp_path), writing=fails(9 * MIB, number), is_disk=False)
    assert error is not None
    assert re.search("room on the disk that the file is on|a file on another disk", error.hint)
    assert not re.search("card|taken out", error.hint)


def test_a_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="cannot be written: Read-only file system") as caught, opened(card(tmp_path)):
        pass
    assert "slider" not in caught.value.hint


def test_a_disk_that_takes_nothing_more(image: Path, tmp_path: Path) -> None:
    error, _ = flashed(image, card(tmp_path), writing=lambda at, size: 0 if at == 4 * MIB else size)
    assert error is not None
    assert "writing at byte 4194304 failed: nothing more is taken" in error.message


def test_a_disk_that_ends_when_it_is_read(image: Path, tmp_path: Path) -> None:
    error, _ = flashed(image, card(tmp_path), reading=lambda at, data: b"" if at == 4 * MIB else data)
    assert error is not None
    assert "reading at byte 4194304 failed: the disk ends here" in error.message


def test_a_disk_that_changes_a_bit(image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path)

    def reading(at: int, data: bytes) -> bytes:
        place = 9 * MIB + 5 - at
        return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :] if 0 <= place < len(data) else data

    error, _ = flashed(image, disk, reading=reading)
    assert isinstance(error, PermanentError)
    assert f"what is read behind byte {9 * MIB} is not what was written there" in error.message
    assert "worn out" in error.hint
    assert_it_has_no_table(disk)


@pytest.mark.parametrize(
    ("real", "says"), [(8 * MIB, 100 * MIB + 512), (16 * MIB, 33 * MIB), (32 * MIB, 100 * MIB + 512)]
)
@pytest.mark.parametrize("lost", [False, True])
def test_a_fake_that_has_less_room_than_it_says(real: int, says: int, lost: bool, image: Path, tmp_path: Path) -> None:
    """What is written past its end is at its beginning, or nowhere: also where the image itself would fit."""
    disk = card(tmp_path, real, before=OLD)
    error, _ = flashed(image, disk, says_bytes=says, place=lambda at: at if lost else at % real)
    assert isinstance(error, PermanentError)
    assert "cannot be used" in error.message
    assert "the disk does not have the room that it says" in error.message
    assert "fake" in error.hint
    assert disk.read_bytes()[:FIRST_BLOCK] != image.read_bytes()[:FIRST_BLOCK]


def test_where_it_is_looked_for_the_room(tmp_path: Path) -> None:
    found = list(room.marks(13 * MIB, 100 * MIB, b"seed"))
    assert [chunk.at for chunk in found] == [100 * MIB - 4096, 64 * MIB, 32 * MIB, 16 * MIB]
    assert len({chunk.data for chunk in found}) == len(found)
    assert list(room.marks(13 * MIB, 13 * MIB + 512, b"seed")) == []
    assert [chunk.at for chunk in room.marks(13 * MIB, 16 * MIB, b"seed")] == [16 * MIB - 4096]


def test_a_disk_that_is_too_small_keeps_what_it_has(image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path, 12 * MIB, before=OLD)
    error, medium = flashed(image, disk)
    assert isinstance(error, InputError)
    assert error.message == f"{disk} is too small: the image needs 14 MB, it has 13"
    assert medium.log == []


def test_who_interrupts_it_is_told_how_to_go_on(image: Path, tmp_path: Path) -> None:
    disk = card(tmp_path, before=OLD)

    def writing(at: int, size: int) -> int:
        if at == 8 * MIB:
            raise KeyboardInterrupt
        return size

    with pytest.raises(KeyboardInterrupt) as caught:
        flashed(image, disk, writing=writing)
    assert str(caught.value) == f"interrupted: what is on {disk} now cannot be used; the same command again begins anew"
    assert_it_has_no_table(disk)


def test_an_image_that_is_not_what_its_block_map_says(image: Path, tmp_path: Path) -> None:
    mapped(image)
    with image.open("r+b") as writer:
        writer.seek(9 * MIB)
        writer.write(b"changed")
    disk = card(tmp_path, before=OLD)
    error, medium = flashed(image, disk)
    assert isinstance(error, InputError)
    assert f"{image} is not what the .bmap beside it says: bytes {8 * MIB} to {12 * MIB} are others" in error.message
    assert error.hint == "build or download it again, together with that file"
    assert ("write", 8 * MIB) not in medium.log
    assert_it_has_no_table(disk)


def test_what_the_card_does_not_need_is_not_written(tmp_path: Path) -> None:
    image = tmp_path / "made.img"
    image.write_bytes(content(4 * MIB) + bytes(8 * MIB) + content(3 * MIB))
    block_map = mapped(image)
    text = block_map.read_text()
    unneeded = next(line for line in text.splitlines(keepends=True) if " 1024-2047 " in line)
    block_map.write_text(with_its_checksum(text.replace(unneeded, "")))
    disk = card(tmp_path, before=b"\xff" * (15 * MIB))
    error, _ = flashed(image, disk)
    assert error is None
    found = disk.read_bytes()
    assert found[: 4 * MIB] + found[8 * MIB : 15 * MIB] == image.read_bytes()[: 4 * MIB] + image.read_bytes()[8 * MIB :]
    assert found[4 * MIB : 8 * MIB] == b"\xff" * (4 * MIB)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EBUSY, "is in use: something on it is mounted, or held"),
        (errno.EACCES, "may not be written by you"),
        (errno.EROFS, "is read-only"),
        (errno.ENOMEDIUM, "has no card in it"),
        (errno.EIO, "cannot be opened: Input/output error"),
    ],
)
def test_a_disk_that_the_kernel_does_not_give(
    number: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a real disk is opened past the page cache, and only if nobody else has it: here the kernel is played."""
    disk, asked = card(tmp_path), []

    def refuse(path: Path, flags: int) -> int:
        asked.append((path, flags))
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(stat, "S_ISBLK", lambda _: True)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=said) as caught, opened(disk):
        pass
    assert caught.value.hint
    assert asked == [(disk, os.O_RDWR | os.O_CLOEXEC | os.O_EXCL | os.O_DIRECT)]
