"""How a base's card is laid out, and what kind of system is on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

SECTOR_BYTES = 512
FAT32_LBA = 0x0C
LINUX = 0x83


class FirstBoot(StrEnum):
    """What prepares a base on its first boot."""

    NONE = "none"
    FIRSTBOOT = "firstboot"
    """`init=/usr/lib/raspberrypi-sys-mods/firstboot` in cmdline.txt (Raspberry Pi OS bookworm)"""
    CLOUD_INIT = "cloud-init"
    """cloud-init with its files on the FAT partition (Raspberry Pi OS trixie)"""
    RESIZE = "init_resize"
    """`init=/usr/lib/raspi-config/init_resize.sh` in cmdline.txt (Raspberry Pi OS bullseye)"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A base: its partitions in sectors of 512 bytes, its file systems, and the system on it."""

    disk_id: int
    """The MBR's disk identifier; PARTUUIDs are made from it."""
    boot_start: int
    boot_sectors: int
    boot_label: str = "bootfs"
    boot_volume_id: int
    boot_cluster_sectors: int
    root_start: int
    root_label: str = "rootfs"
    root_uuid: str
    boot_mount: str = "boot/firmware"
    """Where the FAT partition is mounted, relative to the root."""
    release: str
    """Debian's codename of the release."""
    first_boot: FirstBoot = FirstBoot.NONE

    def partuuid(self, number: int) -> str:
        """The PARTUUID of partition `number` (1 or 2)."""
        return f"{self.disk_id:08x}-{number:02x}"


# Where Raspberry Pi OS images have had their partitions since March 2025 (pi-gen, export-image/prerun.sh).
DEBIAN = Layout(
    disk_id=0x5A1AB0D1,
    boot_start=16384,
    boot_sectors=512 * 2048,
    boot_volume_id=0x5A1AB0D1,
    boot_cluster_sectors=4,
    root_start=16384 + 512 * 2048,
    root_uuid="5a1ab0d1-0000-4000-8000-000000000002",
    release="trixie",
)
"""The `debian` base. Its ids are fixed, so that the same inputs give the same bytes."""


def of(results: Mapping[str, Path]) -> Layout:
    """The layout of the base that a build started from."""
    if "inspect" not in results:
        return DEBIAN
    fields = json.loads((results["inspect"] / "layout.json").read_text())
    return Layout(**{**fields, "first_boot": FirstBoot(fields["first_boot"])})


def write(layout: Layout, folder: Path) -> None:
    """Leave the layout where `of` finds it."""
    (folder / "layout.json").write_text(json.dumps(asdict(layout), indent=1) + "\n")
