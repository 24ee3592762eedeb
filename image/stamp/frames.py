"""The frames of a .zst file: where one begins at the right place, what follows need not be compressed again.

How they are divided is in RFC 8878, section 3.1.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from image.disk.decompress import zst

SKIPPABLE = range(0x184D2A50, 0x184D2A60)
REPEATED_BYTE = 1
"""The type of a block that is one byte, whatever its size says."""
CHECKSUM_BYTES = 4
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Frame:
    """One frame with content."""

    at: int
    """Where it begins in the file, in bytes."""
    begins: int
    """Where its content begins in the whole."""
    size: int
    """Of its content, in bytes."""


def frames(file: Path) -> list[Frame]:
    """The frames with content, in order; empty if one does not say how much it has, or the file is no such file."""
    found, begins = [], 0
    try:
        for at, size in _walked(file):
            if size == zstandard.CONTENTSIZE_UNKNOWN:
                return []
            found.append(Frame(at, begins, size))
            begins += size
    except (EOFError, zstandard.ZstdError):
        return []
    return found


def is_whole(file: Path) -> bool:
    """Whether the last frame ends where the file does; False as well if it is no such file."""
    try:
        return bool(list(_walked(file)))
    except (EOFError, zstandard.ZstdError):
        return False


def _walked(file: Path) -> Iterator[tuple[int, int]]:
    """Where each frame with content begins in the file, and the size of its content, as far as it says that.

    Raises EOFError if the last one does not end where the file does, ZstdError if something else is there than a frame.
    """
    with file.open("rb") as reader, mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < len(data):
            if int.from_bytes(data[at : at + 4], "little") in SKIPPABLE:
                at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
                continue
            about = zstandard.get_frame_parameters(data[at : at + 18])
            begin = at
            at = _end(data, at + zstandard.frame_header_size(data[at : at + 18]))
            at += CHECKSUM_BYTES if about.has_checksum else 0
            yield begin, about.content_size
        if at != len(data):
            raise EOFError


def _end(data: mmap.mmap, at: int) -> int:
    """Behind the blocks of which the first is at `at`."""
    last = False
    while not last and at < len(data):
        header = int.from_bytes(data[at : at + 3], "little")
        last = bool(header & 1)
        at += 3 + (1 if header >> 1 & 3 == REPEATED_BYTE else header >> 3)
    return at


def content(file: Path, end: int) -> Iterator[bytes]:
    """What is in the frames that are before byte `end` of a file, in pieces."""
    with file.open("rb") as reader:
        yield from zst(iter(lambda: reader.read(min(CHUNK_BYTES, end - reader.tell())), b""))
