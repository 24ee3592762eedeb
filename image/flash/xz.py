"""How large the content of an .xz file is: its index says so ("The .xz File Format" 1.2, sections 2 to 4)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

ENDS_BYTES = 12
"""Of a stream's header, and of its footer."""
MAGIC = b"YZ"


def content_bytes(file: Path) -> int | None:
    """The size of all streams in a file together; None if it is cut short, or no such file."""
    total = 0
    with file.open("rb") as reader:
        end = reader.seek(0, os.SEEK_END)
        try:
            while end:
                size, end = _stream(reader, end)
                total += size
        except (ValueError, OSError, IndexError, struct.error):
            return None
    return total


def _stream(reader: BinaryIO, end: int) -> tuple[int, int]:
    """The size of the content of the stream that ends at `end`, and where it begins. Raises ValueError."""
    footer = _at(reader, end - ENDS_BYTES, ENDS_BYTES)
    if footer[-2:] != MAGIC:
        raise ValueError("no stream ends here")
    index_bytes = (struct.unpack_from("<I", footer, 4)[0] + 1) * 4
    begin = end - ENDS_BYTES - index_bytes
    index = _at(reader, begin, index_bytes)
    count, at = _number(index, 1)
    content = 0
    for _ in range(count):
        block_bytes, at = _number(index, at)
        size, at = _number(index, at)
        content += size
        begin -= (block_bytes + 3) // 4 * 4
    if begin < ENDS_BYTES:
        raise ValueError("its blocks have no room before its index")
    return content, begin - ENDS_BYTES


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, and where the next begins: section 1.2."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1


def _at(reader: BinaryIO, place: int, size: int) -> bytes:
    if place < 0:
        raise ValueError("it is cut short")
    reader.seek(place)
    return reader.read(size)
