"""Reads and writes the partition tables of image files, with sfdisk, and copies file systems into them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InputError, PermanentError
from image.disk.layout import FAT32_LBA, LINUX, SECTOR_BYTES, Layout
from image.run import run

FAT32_TYPES = (0x0B, FAT32_LBA)

HINT = "a base is a Raspberry Pi OS image: an MBR with a FAT32 and an ext4 partition"


@dataclass(frozen=True)
class Table:
    """The partition table of an image: sectors of 512 bytes."""

    disk_id: int
    boot_start: int
    boot_sectors: int
    root_start: int
    root_sectors: int


def table(image: Path) -> dict[str, Any]:
    """What sfdisk says of an image's partition table. Raises InputError if there is none."""
    try:
        found: dict[str, Any] = json.loads(run(["sfdisk", "--json", image]))["partitiontable"]
    except PermanentError as error:
        raise InputError(f"{image} has no partition table", hint=HINT) from error
    return found


def read_table(image: Path) -> Table:
    """The table of a Raspberry Pi OS image. Raises InputError, with what was found, if it is laid out otherwise."""
    found = table(image)
    entries = sorted(found.get("partitions", []), key=lambda entry: int(entry["start"]))
    listed = [f"{entry['size']} sectors of type {entry['type']}" for entry in entries]
    seen = f"{found['label']} with {', '.join(listed) or 'no partition'}"
    if found["label"] != "dos" or len(entries) != 2:
        raise InputError(f"{image} does not have an MBR with two partitions, but {seen}", hint=HINT)
    boot, root = entries
    if int(boot["type"], 16) not in FAT32_TYPES or int(root["type"], 16) != LINUX:
        raise InputError(f"{image} does not have a FAT32 and a Linux partition, but {seen}", hint=HINT)
    result = Table(int(found["id"], 16), boot["start"], boot["size"], root["start"], root["size"])
    there, needed = image.stat().st_size // SECTOR_BYTES, result.root_start + result.root_sectors
    if needed > there:
        message = f"{image} is cut short: its second partition ends at sector {needed}, but the file has only {there}"
        raise InputError(message, hint="download it again")
    return result


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


def copy(source: Path, target: Path) -> None:
    """Copy a file; holes stay holes."""
    with target.open("wb") as empty:
        empty.truncate(source.stat().st_size)
    place(source, target, 0)


def place(source: Path, image: Path, sector: int) -> None:
    """Copy a file into an image, beginning at `sector`; holes stay holes."""
    with source.open("rb") as reader, image.open("r+b", buffering=0) as writer:
        end, at = os.fstat(reader.fileno()).st_size, 0
        while (begin := _data_from(reader.fileno(), at)) is not None:
            at = min(os.lseek(reader.fileno(), begin, os.SEEK_HOLE), end)
            writer.seek(sector * SECTOR_BYTES + begin)
            while begin < at:
                begin += os.sendfile(writer.fileno(), reader.fileno(), begin, at - begin)


def _data_from(file: int, offset: int) -> int | None:
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole is left
        return None
