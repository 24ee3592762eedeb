"""An image without its appliance.yaml, in two parts: the beginning, in which all lies that a device has of its own,
and the rest, which is the same for all.

The FAT partition is made anew for that, as a build makes it, with room for the largest configuration near its
beginning. What changes from device to device is then in the first few megabytes of the image, however large it is:
the file system's tables, its root folder, and that room.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.disk import fat, partitions
from image.disk.layout import SECTOR_BYTES
from image.stages.bootfs import CONFIG
from image.stamp.original import Original

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Blank:
    """Both parts of an image."""

    original: Original
    boot: Path
    """Its new FAT partition, without appliance.yaml."""
    boot_start_bytes: int
    """Where that one begins in the image."""
    cut_bytes: int
    """Where the rest begins in the FAT partition."""
    epoch: int
    """The time of appliance.yaml, which is that of the build: seconds since 1970."""
    config: bytes
    """The appliance.yaml that the image had."""

    def beginning(self, config: bytes, folder: Path) -> bytes:
        """The beginning of the image for a device with this configuration. `folder` is for temporary files."""
        boot, source = folder / "device.fat", folder / CONFIG
        with self.original.file.open("rb") as reader, self.boot.open("rb") as blank, boot.open("wb") as writer:
            before = reader.read(self.boot_start_bytes)
            writer.write(blank.read(self.cut_bytes))
            writer.truncate(self.boot.stat().st_size)
        source.write_bytes(config)
        os.utime(source, (self.epoch, self.epoch))
        fat.put(boot, source, CONFIG, self.epoch)
        if fat.end_of(boot, CONFIG) > self.cut_bytes:
            raise PermanentError(f"{CONFIG} is not where there was room for it")
        with boot.open("rb") as reader:
            return before + reader.read(self.cut_bytes)

    def rest(self) -> Iterator[bytes]:
        """What follows and is not compressed yet, in pieces."""
        size = self.boot.stat().st_size
        yield from _chunks(self.boot, self.cut_bytes, size)
        yield from _chunks(self.original.file, self.boot_start_bytes + size, self.original.until_bytes)

    @property
    def rest_bytes(self) -> int:
        """How much that is."""
        return self.original.until_bytes - self.boot_start_bytes - self.cut_bytes


def blank(original: Original, folder: Path, room_bytes: int) -> Blank:
    """Prepare an image, which is not changed, for configurations of up to `room_bytes`; files go to `folder`.

    Raises InputError if it is not one that a build has made.
    """
    image = original.file
    tree, boot = folder / "boot", folder / "boot.fat"
    tree.mkdir()
    table = partitions.read_table(image)
    start = table.boot_start * SECTOR_BYTES
    parameters = fat.read_parameters(image, start)
    fat.read(image, start, tree)
    config = tree / CONFIG
    if not config.is_file():
        raise InputError(f"{image} has no {CONFIG} on its first partition")
    before, epoch = config.read_bytes(), int(config.stat().st_mtime)
    config.write_bytes(bytes(room_bytes))
    os.utime(config, (epoch, epoch))
    fat.make(
        boot,
        tree,
        sectors=table.boot_sectors,
        label=parameters.label,
        volume_id=parameters.volume_id,
        cluster_sectors=parameters.cluster_sectors,
        epoch=epoch,
    )
    cut = fat.end_of(boot, CONFIG)
    fat.remove(boot, CONFIG)
    return Blank(original, boot, start, cut, epoch, before)


def _chunks(file: Path, begin: int, end: int) -> Iterator[bytes]:
    with file.open("rb") as reader:
        reader.seek(begin)
        while chunk := reader.read(min(CHUNK_BYTES, end - reader.tell())):
            yield chunk
