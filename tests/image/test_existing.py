"""Existing images: recognised, refused, and taken apart and put together again without a loss."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, InputError
from image.boards import ARM64, ARMV6, Kind
from image.disk import devices, ext4, ext4_files
from image.disk.layout import SECTOR_BYTES, FirstBoot
from image.inside import namespaces
from image.run import run
from image.stages.inspect import recognise
from tests.image.raspberry import BOOKWORM, RASPBIAN, TRIXIE, UPGRADED, Raspberry

pytestmark = pytest.mark.programs

PING = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
"""cap_net_raw=ep, as in linux/capability.h (struct vfs_cap_data)."""


@pytest.mark.parametrize(
    ("base", "kind", "first_boot"),
    [
        (UPGRADED, ARM64, FirstBoot.RESIZE),
        (BOOKWORM, ARM64, FirstBoot.FIRSTBOOT),
        (TRIXIE, ARM64, FirstBoot.CLOUD_INIT),
        (RASPBIAN, ARMV6, FirstBoot.CLOUD_INIT),
    ],
    ids=["as bullseye", "bookworm", "trixie", "Raspbian"],
)
def test_each_layout_is_recognised(base: Raspberry, kind: Kind, first_boot: FirstBoot, tmp_path: Path) -> None:
    found, made = recognise(base.make(tmp_path), kind), base.layout
    assert (found.disk_id, found.boot_start, found.boot_sectors, found.root_start) == (
        made.disk_id,
        made.boot_start,
        made.boot_sectors,
        made.root_start,
    )
    assert (found.boot_label, found.boot_volume_id, found.boot_cluster_sectors) == ("bootfs", 0x12345678, 1)
    assert (found.root_label, found.root_uuid) == ("rootfs", made.root_uuid)
    assert (found.release, found.boot_mount, found.first_boot) == (base.release, base.boot_mount, first_boot)


def cut_short(image: Path) -> None:
    os.truncate(image, image.stat().st_size // 2)


def without_second_partition(image: Path) -> None:
    run(["sfdisk", "--quiet", "--delete", image, "2"])


def with_third_partition(image: Path) -> None:
    os.truncate(image, image.stat().st_size + (8 << 20))
    run(["sfdisk", "--quiet", "--append", "--wipe=never", image], stdin=",,83\n")


def with_gpt(image: Path) -> None:
    run(["sfdisk", "--quiet", "--wipe=always", image], stdin="label: gpt\nsize=8MiB\n\n")


def without_table(image: Path) -> None:
    with image.open("r+b") as file:
        file.write(bytes(512))


def with_broken_root(image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(TRIXIE.layout.root_start * SECTOR_BYTES)
        file.write(bytes(1 << 20))


def with_broken_boot(image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(TRIXIE.layout.boot_start * SECTOR_BYTES)
        file.write(bytes(512))


def with_open_journal(image: Path) -> None:
    run(["debugfs", "-w", "-R", "feature needs_recovery", f"{image}?offset={TRIXIE.layout.root_start * SECTOR_BYTES}"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, "cut short"),
        (without_second_partition, "does not have an MBR with two partitions, but dos with 81920 sectors of type c"),
        (with_third_partition, "two partitions, but dos with 14336 sectors of type 83, 81920 sectors of type c,"),
        (with_gpt, "does not have an MBR with two partitions, but gpt"),
        (without_table, "no partition table"),
        (with_broken_root, "no readable ext4"),
        (with_broken_boot, "no FAT32"),
        (with_open_journal, "not unmounted cleanly"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_image_is_refused_with_what_was_found(
    damage: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    image = TRIXIE.make(tmp_path)
    damage(image)
    with pytest.raises(InputError) as caught:
        recognise(image, ARM64)
    assert said in caught.value.message
    assert caught.value.hint


def in_namespaces(function: Callable[[], None]) -> None:
    try:
        namespaces.inside(function)
    except ApplianceError as error:
        pytest.fail(str(error))


def make(file: Path, tree: Path, size_bytes: int, inodes: int) -> None:
    uuid = TRIXIE.layout.root_uuid
    ext4.make(file, tree, size_bytes=size_bytes, inodes=inodes, label="rootfs", uuid=uuid, epoch=0)


# What setfacl -m u:1000:rw writes: version 2, then (tag, permissions, id) as in linux/posix_acl_xattr.h.
ANYBODY = 0xFFFFFFFF
ENTRIES = ((0x01, 6, ANYBODY), (0x02, 6, 1000), (0x04, 4, ANYBODY), (0x10, 6, ANYBODY), (0x20, 4, ANYBODY))
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ENTRIES)


def fill(tree: Path) -> None:
    """One of everything that a root file system can have in it."""
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/ping").write_bytes(b"\x7fELF" + bytes(100))
    (tree / "bin/ping").chmod(0o755)
    os.setxattr(tree / "bin/ping", "security.capability", PING)
    (tree / "bin/perl").write_text("one file")
    os.link(tree / "bin/perl", tree / "bin/perl5")
    (tree / "bin/sudo").write_text("suid")
    os.chown(tree / "bin/sudo", 0, 42)
    (tree / "bin/sudo").chmod(0o4751)
    (tree / "link").symlink_to("bin/" + "long" * 30)
    (tree / "short").symlink_to("bin")
    (tree / "empty").touch()
    (tree / "large").write_bytes(os.urandom(3_000_001))
    with (tree / "sparse").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"end")
    (tree / "owned").mkdir()
    os.chown(tree / "owned", 1000, 1001)
    (tree / "owned").chmod(0o2770)
    (tree / os.fsdecode(b"latin-1-\xe9")).write_text("a name that is not UTF-8")
    os.mkfifo(tree / "pipe")
    os.setxattr(tree / "owned", "user.note", b"kept")
    os.setxattr(tree / "large", "system.posix_acl_access", ACL)
    for path in tree.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)  # mke2fs keeps whole seconds


def described(tree: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(tree.rglob("*")):
        known = path.lstat()
        content: object = None
        if path.is_symlink():
            content = path.readlink()
        elif path.is_file():
            content = path.read_bytes()
        attributes = {} if path.is_symlink() else {name: os.getxattr(path, name) for name in os.listxattr(path)}
        twins = sorted(other.name for other in tree.rglob("*") if other.lstat().st_ino == known.st_ino)
        found[str(path.relative_to(tree))] = (
            *(stat.filemode(known.st_mode), known.st_uid, known.st_gid, known.st_mtime_ns),
            *(content, attributes, twins),
        )
    return found


def test_a_root_file_system_survives_the_round_trip(tmp_path: Path) -> None:
    def round_trip() -> None:
        tree, again = tmp_path / "tree", tmp_path / "again"
        fill(tree)
        made = ext4.size_for(tree, 100 << 20)
        ext4.make(
            tmp_path / "fs",
            tree,
            size_bytes=made[0],
            inodes=made[1],
            label="rootfs",
            uuid=TRIXIE.layout.root_uuid,
            epoch=0,
        )
        run(["e2fsck", "-fn", tmp_path / "fs"])
        again.mkdir()
        with ext4_files.opened(tmp_path / "fs", 0) as root:
            assert root.extract(again) == []
        assert described(again) == described(tree)
        assert (again / "sparse").stat().st_blocks < 1000, "holes stay holes"

    in_namespaces(round_trip)


def test_device_nodes_survive_the_round_trip(tmp_path: Path) -> None:
    nodes = [
        devices.Device("/dev/null", stat.S_IFCHR | 0o666, 1, 3, 0, 0),
        devices.Device("/dev/disk/sda", stat.S_IFBLK | 0o660, 8, 0, 0, 6),
        devices.Device("/many", stat.S_IFCHR | 0o600, 300, 1000, 1000, 1000),
    ]

    def round_trip() -> None:
        tree = tmp_path / "tree"
        (tree / "dev/disk").mkdir(parents=True)
        for name in ("one", "two"):
            source = tmp_path / name
            make(source, tree, 160 << 20, 1000)
            devices.make(devices.read(tmp_path) or nodes, source, epoch=0)
            run(["e2fsck", "-fn", source])
            (tmp_path / f"out-{name}").mkdir()
            with ext4_files.opened(source, 0) as root:
                devices.write(root.extract(tmp_path / f"out-{name}"), tmp_path)
        assert sorted(devices.read(tmp_path), key=lambda node: node.path) == sorted(nodes, key=lambda node: node.path)

    in_namespaces(round_trip)
