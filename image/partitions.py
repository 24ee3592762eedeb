"""Reads and writes the partition tables of image files, with sfdisk, and copies file systems into them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from image.layout import FAT32_LBA, LINUX, SECTOR_BYTES, Layout
from image.run import run


def table(image: Path) -> dict[str, Any]:
    """What sfdisk says of an image's partition table. Raises PermanentError if there is none."""
    found: dict[str, Any] = json.loads(run(["sfdisk", "--json", image]))["partitiontable"]
    return found


def write_table(image: Path, layout: Layout, root_bytes: int) -> None:
    """Make an MBR with the two partitions of `layout`; code in it is kept."""
    script = "\n".join(
        [
            "label: dos",
            f"label-id: {layout.disk_id:#010x}",
            f"start={layout.boot_start}, size={layout.boot_sectors}, type={FAT32_LBA:x}",
            f"start={layout.root_start}, size={root_bytes // SECTOR_BYTES}, type={LINUX:x}",
        ]
    )
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never", image], stdin=script + "\n")


def place(source: Path, image: Path, sector: int) -> None:
    """Copy a file into an image, beginning at `sector`; holes stay holes."""
    with source.open("rb") as reader, image.open("r+b") as writer:
        end, at = os.fstat(reader.fileno()).st_size, 0
        while (begin := _data_from(reader.fileno(), at)) is not None:
            at = min(os.lseek(reader.fileno(), begin, os.SEEK_HOLE), end)
            while begin < at:
                begin += os.copy_file_range(
                    reader.fileno(), writer.fileno(), at - begin, begin, sector * SECTOR_BYTES + begin
                )


def _data_from(file: int, offset: int) -> int | None:
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole is left
        return None
