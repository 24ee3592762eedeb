"""The image that is stamped: its beginning as plain bytes, and the rest compressed already, if it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from appliance.errors import InputError
from image.disk import decompress, partitions
from image.disk.layout import SECTOR_BYTES
from image.stamp.frames import content, frames

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Original:
    """An image."""

    file: Path
    """The image, not compressed. Behind `until_bytes` there need be nothing in it but a hole."""
    until_bytes: int
    packed: Path | None = None
    """A file that has what follows, compressed, at its end; None if nothing follows."""
    packed_at: int = 0
    """Where that begins in it."""


def original(image: Path, plain: Path, progress: Progress) -> Original:
    """Open an image file, compressed or not; the file `plain` is made for its content if it is.

    Frames are not looked into that are behind the FAT partition and can be taken as they are: they were compared with
    the checksum beside the image, if it has one, and whoever decompresses them looks at their own. Raises InputError
    for what is damaged or no image.
    """
    packed = decompress.kind_of(image)
    if not packed:
        return Original(image, image.stat().st_size)
    if packed == "zst" and (found := _beginning(image, plain, progress)):
        return found
    decompress.decompress(image, plain, progress)
    return Original(plain, plain.stat().st_size)


def _beginning(image: Path, plain: Path, progress: Progress) -> Original | None:
    """The image up to the first frame behind the FAT partition; None if none begins there."""
    found = frames(image)
    if len(found) < 2:
        return None
    size = found[-1].begins + found[-1].size
    _unpack(image, found[1].at, plain, size, progress)
    table = partitions.read_table(plain)
    boot_end = (table.boot_start + table.boot_sectors) * SECTOR_BYTES
    rest = next((frame for frame in found if frame.begins >= boot_end), None)
    if rest is None:
        return None
    _unpack(image, rest.at, plain, size, progress)
    return Original(plain, rest.begins, image, rest.at)


def _unpack(image: Path, end: int, plain: Path, size: int, progress: Progress) -> None:
    """Write what is before byte `end` of `image` to `plain`, which gets `size` bytes."""
    try:
        with plain.open("wb") as writer:
            for chunk in content(image, end):
                decompress.write_sparse(writer, chunk)
                progress(writer.tell(), None)
            writer.truncate(size)
    except (EOFError, zstandard.ZstdError) as error:
        raise InputError(f"{image} is damaged: {error}") from error
