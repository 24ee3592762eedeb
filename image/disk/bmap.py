"""Block maps: which parts of an image a card needs, and their checksums, for bmaptool(1).

The format, 2.0, is described in bmap-tools: bmaptools/BmapCreate.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from image.disk.pieces import Region

NO_CHECKSUM = "0" * 64


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
