"""Small images that are laid out as Raspberry Pi OS is: real partition tables and file systems, few files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from image.disk import ext4, fat, partitions
from image.disk.layout import SECTOR_BYTES, Layout

FSTAB = """\
PARTUUID=4e2bb2ac-01  /{mount}  vfat  defaults          0  2
PARTUUID=4e2bb2ac-02  /         ext4  defaults,noatime  0  1
"""
DPKG = "Package: dpkg\nStatus: install ok installed\nArchitecture: {architecture}\n"


@dataclass(frozen=True)
class Raspberry:
    """What to put on it."""

    release: str = "trixie"
    boot_start: int = 16384
    boot_mount: str = "boot/firmware"
    cmdline: str = "console=tty1 root=PARTUUID=4e2bb2ac-02 rootwait resize"
    architecture: str = "arm64"
    system: str = "debian"
    """Its ID in os-release."""
    boot_sectors: int = 40 * 2048
    boot_files: dict[str, str] = field(default_factory=lambda: {"config.txt": "[all]\n"})

    @property
    def layout(self) -> Layout:
        return Layout(
            disk_id=0x4E2BB2AC,
            boot_start=self.boot_start,
            boot_sectors=self.boot_sectors,
            boot_volume_id=0x12345678,
            boot_cluster_sectors=1,
            root_start=self.boot_start + self.boot_sectors,
            root_uuid="0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            boot_mount=self.boot_mount,
            release=self.release,
        )

    def make(self, folder: Path) -> Path:
        """The image file, made in `folder`."""
        tree, boot, image = folder / "tree", folder / "boot", folder / "raspios.img"
        self.fill_root(tree)
        boot.mkdir()
        for name, text in {"cmdline.txt": self.cmdline + "\n", **self.boot_files}.items():
            (boot / name).write_text(text)
        made = self.layout
        size, inodes = ext4.size_for(tree, 100 << 20)
        ext4.make(folder / "p2", tree, size_bytes=size, inodes=inodes, label="rootfs", uuid=made.root_uuid, epoch=0)
        fat.make(
            folder / "p1",
            boot,
            sectors=made.boot_sectors,
            label=made.boot_label,
            volume_id=made.boot_volume_id,
            cluster_sectors=made.boot_cluster_sectors,
            epoch=0,
        )
        with image.open("wb") as file:
            file.truncate(made.root_start * SECTOR_BYTES + size)
        partitions.write_table(image, made, size)
        partitions.place(folder / "p1", image, made.boot_start)
        partitions.place(folder / "p2", image, made.root_start)
        return image

    def fill_root(self, tree: Path) -> None:
        """What a base is recognised by."""
        texts = {
            "etc/os-release": f'PRETTY_NAME="Debian"\nVERSION_CODENAME={self.release}\nID={self.system}\n',
            "etc/fstab": FSTAB.format(mount=self.boot_mount),
            "var/lib/dpkg/status": DPKG.format(architecture=self.architecture),
        }
        for name, text in texts.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        (tree / self.boot_mount).mkdir(parents=True)


UPGRADED = Raspberry("bookworm", 8192, "boot", "root=PARTUUID=4e2bb2ac-02 init=/usr/lib/raspi-config/init_resize.sh")
"""Laid out as bullseye was."""
BOOKWORM = Raspberry(
    "bookworm", 8192, cmdline="root=PARTUUID=4e2bb2ac-02 quiet init=/usr/lib/raspberrypi-sys-mods/firstboot"
)
TRIXIE = Raspberry("trixie", 16384)
RASPBIAN = Raspberry("trixie", 16384, architecture="armhf", system="raspbian")
"""Raspberry Pi OS (32-bit)."""
