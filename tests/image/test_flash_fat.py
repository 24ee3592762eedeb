"""A file on a FAT partition whose content is exchanged: compared by mtools and fsck.fat."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.disk import fat
from image.flash.fat_file import File, volume
from image.run import run

pytestmark = pytest.mark.programs

NOW = datetime(2026, 5, 17, 12, 34, 56, tzinfo=UTC)
NAME = "appliance.yaml"
SECRET = b"passphrase: of whoever had it before\n"


class Partition:
    """A file system in a file."""

    def __init__(self, folder: Path, *, cluster_sectors: int = 2, others: int = 20) -> None:
        tree, self.file = folder / "tree", folder / "partition"
        tree.mkdir()
        for number in range(others):
            (tree / f"Some Longer Name {number}.txt").write_text("text" * 2000)
        fat.make(
            self.file,
            tree,
            sectors=80 << 11,
            label="bootfs",
            volume_id=7,
            cluster_sectors=cluster_sectors,
            epoch=1_700_000_000,
        )

    def put(self, content: bytes) -> None:
        """What is there at first."""
        source = self.file.with_name(NAME)
        source.write_bytes(content)
        fat.add(self.file, [source], epoch=1_700_000_000)

    def read(self, at: int, size: int) -> bytes:
        assert at % 512 == size % 512 == 0
        with self.file.open("rb") as reader:
            reader.seek(at)
            return reader.read(size)

    def replace(self, content: bytes) -> bytes:
        """Exchange the content; returns the old one."""
        there = File(volume(0, self.read), NAME, self.read)
        old = there.content()
        with self.file.open("r+b") as writer:
            for chunk in there.replaced(content, NOW):
                assert chunk.at % 512 == len(chunk.data) % 512 == 0
                writer.seek(chunk.at)
                writer.write(chunk.data)
        return old


@pytest.mark.parametrize("before", [0, 100, 1024, 9000])
@pytest.mark.parametrize("after", [1, 1024, 1025, 30_000])
def test_another_content(before: int, after: int, tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    old, new = (SECRET * 1000)[:before], os.urandom(after)
    disk.put(old)
    assert disk.replace(new) == old
    run(["fsck.fat", "-n", disk.file])  # fails for anything that is wrong, also a wrong number of free clusters
    (tmp_path / "found").mkdir()
    fat.read(disk.file, 0, tmp_path / "found")
    found = {file.name: file.read_bytes() for file in (tmp_path / "found").iterdir()}
    assert found.pop(NAME) == new
    assert set(found.values()) == {b"text" * 2000}
    assert len(found) == 20
    assert SECRET not in disk.file.read_bytes()
    assert (tmp_path / "found" / NAME).stat().st_mtime == NOW.timestamp()


def test_again_and_again_with_clusters_of_one_sector_and_a_folder_of_several(tmp_path: Path) -> None:
    disk = Partition(tmp_path, cluster_sectors=1, others=90)
    disk.put(SECRET)
    for size in (5000, 20, 70_000, 512, 1025):
        disk.replace(os.urandom(size))
        run(["fsck.fat", "-n", disk.file])


def test_a_file_that_has_no_long_name_is_found(tmp_path: Path) -> None:
    """mtools gives none to config.txt, for which the old form does."""
    disk, source = Partition(tmp_path), tmp_path / "config.txt"
    source.write_bytes(b"kernel=x\n")
    fat.add(disk.file, [source], epoch=1_700_000_000)
    assert b"CONFIG  TXT" in disk.file.read_bytes()
    assert File(volume(0, disk.read), "config.txt", disk.read).content() == b"kernel=x\n"
    for name in ("bootfs", "config"):  # the label, and half of a name
        with pytest.raises(InputError, match=f"has no {name} on"):
            File(volume(0, disk.read), name, disk.read)


def test_a_partition_without_the_file_is_refused(tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    disk.put(b"x")
    fat.remove(disk.file, NAME)
    with pytest.raises(InputError, match=r"has no appliance\.yaml on its first partition"):
        disk.replace(b"x")


def test_what_is_no_file_system_is_refused(tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    disk.file.write_bytes(os.urandom(1 << 20))
    with pytest.raises(InputError, match="has no FAT32 file system"):
        disk.replace(b"x")


@pytest.mark.parametrize(("at", "field"), [(13, b"\0"), (32, b"\xff\xff\xff\x7f"), (36, b"\x01\0\0\0")])
def test_sizes_that_cannot_be_are_refused(at: int, field: bytes, tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    with disk.file.open("r+b") as writer:
        writer.seek(at)
        writer.write(field)
    with pytest.raises(InputError, match="is damaged"):
        disk.replace(b"x")


def test_a_chain_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    disk.put(SECRET * 200)
    about = volume(0, disk.read)
    table = about.reserved * 512
    numbers = range(2, about.clusters)
    last_used = max(n for n in numbers if disk.read(table + n * 4 // 512 * 512, 512)[n * 4 % 512 :][:4] != bytes(4))
    with disk.file.open("r+b") as writer:
        writer.seek(table + (last_used - 1) * 4)
        writer.write(b"\x01\0\0\0")
    with pytest.raises(InputError, match="is damaged"):
        disk.replace(b"x")


def test_a_full_partition_is_refused(tmp_path: Path) -> None:
    disk = Partition(tmp_path)
    disk.put(b"x")
    about = volume(0, disk.read)
    with pytest.raises(InputError, match="is full"):
        File(about, NAME, disk.read).replaced(bytes((about.clusters + 1) * about.cluster_bytes), NOW)


def test_of_the_beginning_no_more_is_read_than_its_clusters(tmp_path: Path) -> None:
    """A kernel is looked into for what it is, and packed."""
    disk, content = Partition(tmp_path), os.urandom(100_000)
    disk.put(content)
    about, read = volume(0, disk.read), 0

    def counted(at: int, size: int) -> bytes:
        nonlocal read
        read += size
        return disk.read(at, size)

    there = File(about, NAME, counted)
    read = 0
    assert (there.content(40), read) == (content[:40], about.cluster_bytes)
    assert there.content(200_000) == there.content() == content
