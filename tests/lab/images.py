"""Small images with a Pi's boot partition, and nothing to boot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from image.disk import fat, partitions
from image.disk.layout import DEBIAN
from image.run import run

SECTORS = 40 * 2048


def partitioned(folder: Path, files: Mapping[str, str]) -> Path:
    """A new image in a folder, with these files on its FAT partition."""
    tree, made = folder / "tree", folder / "made.img"
    tree.mkdir()
    for name, text in files.items():
        (tree / name).write_text(text)
    fat.make(folder / "fat", tree, sectors=SECTORS, label="bootfs", volume_id=1, cluster_sectors=1, epoch=1_700_000_000)
    with made.open("wb") as file:
        file.truncate((DEBIAN.boot_start + SECTORS + 2048) * 512)
    run(["sfdisk", "--quiet", made], stdin=f"label: dos\nstart={DEBIAN.boot_start}, size={SECTORS}, type=c\n")
    partitions.place(folder / "fat", made, DEBIAN.boot_start)
    return made
