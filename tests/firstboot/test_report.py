"""The report on the card: always the last word, and few writes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from firstboot.paths import fat_partition
from firstboot.report import READ_THE_JOURNAL, SPACING_S, Report


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(tmp_path: Path, clock: Clock) -> Report:
    return Report(tmp_path / "report.txt", clock=clock, now=lambda: datetime(2026, 5, 1, 12, 30, tzinfo=UTC))


def content(tmp_path: Path) -> str:
    return (tmp_path / "report.txt").read_bytes().decode()


def test_the_first_word_is_written_at_once_with_its_time(report: Report, tmp_path: Path) -> None:
    report.tell("UP\r\n")
    assert content(tmp_path) == "UP\r\n\r\nWritten 2026-05-01 12:30 UTC, as far as this machine knows the time.\r\n"


def test_what_an_earlier_boot_said_is_taken_back(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("UP")
    report.begin()
    assert content(tmp_path).startswith("STARTING")
    assert "try another card" in content(tmp_path)
    report.tell("UP\r\n")
    assert content(tmp_path).startswith("UP")


def test_without_a_card_no_other_one_is_to_be_tried(tmp_path: Path) -> None:
    Report(tmp_path / "report.txt", advice=READ_THE_JOURNAL).begin()
    assert "could not start: `journalctl -u appliance` says why" in content(tmp_path)
    assert "card" not in content(tmp_path)


def test_the_same_word_is_not_written_again(report: Report, tmp_path: Path, clock: Clock) -> None:
    report.tell("UP\r\n")
    (tmp_path / "report.txt").unlink()
    clock.now_s += SPACING_S
    report.tell("UP\r\n")
    assert not (tmp_path / "report.txt").exists()
    assert report.due_s() is None


def test_a_flapping_cable_does_not_wear_the_card_out(report: Report, tmp_path: Path, clock: Clock) -> None:
    report.tell("UP\r\n")
    writes = set()
    for flap in range(310):
        clock.now_s += 0.5
        report.tell(f"NOT UP {flap}\r\n")
        writes.add(content(tmp_path))
    assert len(writes) == 1 + 155 // SPACING_S
    assert report.due_s() is not None
    clock.now_s += report.due_s() or 0.0
    report.flush()
    assert content(tmp_path).startswith("NOT UP 309")


def test_a_card_that_cannot_be_written_is_tried_again_later(report: Report, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "report.txt").mkdir()
    report.tell("UP\r\n")
    (tmp_path / "report.txt").rmdir()
    report.flush()
    assert not (tmp_path / "report.txt").exists()
    clock.now_s += SPACING_S
    report.flush()
    assert content(tmp_path).startswith("UP")


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/mmcblk0p1 /boot/firmware vfat rw 0 0\n", "/boot/firmware"),
        ("/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/mmcblk0p1 /boot vfat rw 0 0\n", "/boot"),
        ("/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/mmcblk0p2 /boot/firmware ext4 rw 0 0\n", "/boot/firmware"),
    ],
)
def test_the_fat_partition_is_where_it_is_mounted(tmp_path: Path, mounts: str, found: str) -> None:
    (tmp_path / "mounts").write_text(mounts)
    assert fat_partition(tmp_path / "mounts") == Path(found)
