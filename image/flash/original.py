"""The image that is to be written: what lies beside it, and its content in pieces, each checked before it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from image.disk import bmap, decompress
from image.disk.bmap import BlockMap, Range
from image.flash import xz
from image.flash.content import AGAIN, content
from image.flash.copying import Chunk
from image.flash.medium import BLOCK_BYTES, CHUNK_BYTES
from image.stamp import checksum
from image.stamp.frames import frames, is_whole

SECTOR_BYTES = 512
IMAGE_ENDINGS = ("", ".img", ".img.zst", ".img.xz")


@dataclass(frozen=True)
class Original:
    """An image."""

    file: Path
    packed: str
    """How it is compressed, as `decompress.kind_of` calls it."""
    size_bytes: int | None
    """Not compressed; None if nothing says that."""
    block_map: BlockMap | None

    @property
    def to_write_bytes(self) -> int | None:
        """How much of it a card needs."""
        return self.block_map.mapped_bytes if self.block_map else self.size_bytes

    def check(self) -> None:
        """Compare the file with the .sha256 beside it, where its content cannot be checked while it is written.

        Raises InputError if it is another.
        """
        if self.block_map is None or not self.block_map.has_checksums:
            checksum.check(self.file)

    def head(self) -> bytes:
        """Its first block. Raises InputError if no partition table is in it."""
        with content(self.file, self.packed) as reader:
            head = reader.read(BLOCK_BYTES)
        if head[510:512] != b"\x55\xaa":
            there = next(filter(Path.is_file, _images_beside(self.file)), None)
            hint = f"give the image beside it: {there}" if there else "give an image that `appliance build` made"
            raise InputError(f"{self.file} is no image of a disk", hint=hint)
        return head

    def chunks(self) -> Iterator[Chunk]:
        """What a card needs. Raises InputError where the image is damaged."""
        ranges = self.block_map.ranges if self.block_map else [Range(0, self.size_bytes or 1 << 63, "")]
        position = 0
        with content(self.file, self.packed) as reader:
            for one in ranges:
                reader.skip(one.begin - position)
                digest = hashlib.new(self.block_map.algorithm if self.block_map else "sha256")
                position = one.begin
                while position < one.end and (data := reader.read(min(CHUNK_BYTES, one.end - position))):
                    if one.checksum:
                        digest.update(data)
                        if position + len(data) == one.end and digest.hexdigest() != one.checksum:
                            raise self._other(one)
                    yield Chunk(position, data + bytes(-len(data) % SECTOR_BYTES))
                    position += len(data)
                if position < one.end and self.size_bytes is not None:
                    raise InputError(f"{self.file} is cut short at byte {position} of its content", hint=AGAIN)

    def _other(self, one: Range) -> InputError:
        message = f"{self.file} is not what the .bmap beside it says: bytes {one.begin} to {one.end} are others"
        return InputError(message, hint=f"{AGAIN}, together with that file")


def original(file: Path) -> Original:
    """Look at an image. Raises InputError if it is none, or cut short as far as that can be seen at once."""
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise InputError(f"{file} {what}", hint="give an image that `appliance build` made")
    try:
        packed = decompress.kind_of(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint="images are for their owner alone") from error
    size = _size(file, packed)
    block_map = next((bmap.read(one) for one in _beside(file) if one.is_file()), None)
    if block_map and size is not None and size != block_map.image_bytes:
        Original(file, packed, size, None).head()  # or it is nothing that a block map could be of
        said = f"is of an image of {block_map.image_bytes} bytes, and {file.name} has {size}"
        raise InputError(f"the .bmap beside {file} {said}", hint=f"{AGAIN}, together with that file")
    return Original(file, packed, block_map.image_bytes if block_map else size, block_map)


def _beside(file: Path) -> Sequence[Path]:
    """Where a block map is looked for: as bmaptool(1) does, the longest name first."""
    return [file.with_name(f"{name}.bmap") for name in _names(file)]


def _images_beside(file: Path) -> Sequence[Path]:
    """Where the image may be that a file is about."""
    return [file.with_name(f"{name}{ending}") for name in _names(file)[1:] for ending in IMAGE_ENDINGS]


def _names(file: Path) -> Sequence[str]:
    """A file's name, and what is left of it without its endings, the longest first."""
    names = [file.name]
    while names[-1].count(".") > 0:
        names.append(names[-1].rpartition(".")[0])
    return [name for name in names if name]


def _size(file: Path, packed: str) -> int | None:
    if not file.stat().st_size:
        raise InputError(f"{file} is empty", hint=AGAIN)
    if not packed:
        return file.stat().st_size
    cut = InputError(f"{file} is cut short, or damaged: its {packed} data has no end", hint=AGAIN)
    if packed == "zst":
        if not is_whole(file):
            raise cut
        return sum(one.size for one in frames(file)) or None
    if packed == "xz":
        size = xz.content_bytes(file)
        if size is None:
            raise cut
        return size
    return None
