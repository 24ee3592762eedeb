"""Block maps: which parts of an image a card needs, and their checksums, as bmaptool(1) has them.

The format, 2.0, is described in bmap-tools: bmaptools/BmapCreate.py. Those since 1.3 are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from appliance.errors import InputError
from image.disk.pieces import Region

NO_CHECKSUM = "0" * 64

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
VERSION = re.compile(r'<bmap\s+version="([12])\.\d+"')
FIELD = re.compile(r"<(\w+)>\s*(\w+)\s*</\1>")
RANGE = re.compile(r'<Range(?:\s+(?:chksum|sha1)="(\w+)")?\s*>\s*(\d+)(?:\s*-\s*(\d+))?\s*</Range>')


@dataclass(frozen=True)
class Range:
    """A part of an image that a card needs, in bytes."""

    begin: int
    end: int
    checksum: str
    """In hexadecimal; empty if the map has none."""


@dataclass(frozen=True)
class BlockMap:
    """What a block map says."""

    image_bytes: int
    algorithm: str
    """Of the checksums, as hashlib calls it."""
    ranges: tuple[Range, ...]
    """In their order, not empty."""

    @property
    def mapped_bytes(self) -> int:
        """How much a card needs."""
        return sum(one.end - one.begin for one in self.ranges)

    @property
    def has_checksums(self) -> bool:
        """Whether all that a card needs can be checked."""
        return all(one.checksum for one in self.ranges)


def read(file: Path) -> BlockMap:
    """Read a block map. Raises InputError if it is none, or not any more what was written."""
    text = file.read_bytes().decode("utf-8", "replace")
    try:
        return _parsed(text)
    except (KeyError, ValueError) as error:
        hint = "get it again together with the image, or remove it: then the whole image is written"
        raise InputError(f"{file} is damaged, or no block map: {error}", hint=hint) from error


def _parsed(text: str) -> BlockMap:
    """Raises ValueError or KeyError."""
    bare = COMMENT.sub("", text)
    if not VERSION.search(bare):
        raise ValueError("it has no version that is known")
    fields = {name: value for name, value in FIELD.findall(bare) if name != "Range"}
    algorithm, size = fields.get("ChecksumType", "sha1"), int(fields["ImageSize"])
    own = fields.get("BmapFileChecksum") or fields["BmapFileSHA1"]
    zeroed = text.replace(own, "0" * len(own))
    if hashlib.new(algorithm, zeroed.encode()).hexdigest() != own:
        raise ValueError("its own checksum is another")
    ranges = tuple(_ranges(bare, int(fields["BlockSize"]), size))
    if not ranges or any(one.end > two.begin for one, two in pairwise(ranges)):
        raise ValueError("its ranges are not in order")
    return BlockMap(size, algorithm, ranges)


def _ranges(text: str, block_bytes: int, image_bytes: int) -> Iterator[Range]:
    for checksum, first, last in RANGE.findall(text):
        begin, end = int(first) * block_bytes, min((int(last or first) + 1) * block_bytes, image_bytes)
        if begin >= end:
            raise ValueError("a range is empty, or behind the image")
        yield Range(begin, end, checksum)


def of(regions: Sequence[Region]) -> str:
    """The block map of an image that consists of these regions."""
    placed, at = [], 0
    for region in regions:
        for piece in region.pieces:
            placed.append((at, piece))
            at += piece.size
    block = next(size for size in (4096, 512) if all(start % size == 0 for start, _ in placed))
    needed = [(start // block, -(-(start + piece.size) // block) - 1, piece) for start, piece in placed if piece.needed]
    ranges = [f'        <Range chksum="{piece.digest}"> {first}-{last} </Range>' for first, last, piece in needed]
    mapped = sum(last - first + 1 for first, last, _ in needed)
    text = "\n".join(
        [
            '<?xml version="1.0" ?>',
            '<bmap version="2.0">',
            f"    <ImageSize> {at} </ImageSize>",
            f"    <BlockSize> {block} </BlockSize>",
            f"    <BlocksCount> {-(-at // block)} </BlocksCount>",
            f"    <MappedBlocksCount> {mapped} </MappedBlocksCount>",
            "    <ChecksumType> sha256 </ChecksumType>",
            f"    <BmapFileChecksum> {NO_CHECKSUM} </BmapFileChecksum>",
            "    <BlockMap>",
            *ranges,
            "    </BlockMap>",
            "</bmap>\n",
        ]
    )
    # The file's own checksum is of the file with zeros in its place.
    return text.replace(NO_CHECKSUM, hashlib.sha256(text.encode()).hexdigest(), 1)
