"""Compressed formats whose files are made of independent frames, one for each piece of what is compressed.

A frame is made once for each content, and put beside others as it is. Ordinary programs read the result.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

ZST_LEVEL = 3
XZ_LEVEL = 6

XZ_ENDS = 12
"""Bytes of an .xz file's header, and of its footer."""

INDEX = "index.json"


@dataclass(frozen=True)
class Format:
    """One format."""

    settings: tuple[int, ...]
    """What a frame depends on beside its piece."""
    compress: Callable[[bytes], bytes]
    """The frame of a piece."""
    joined: Callable[[Iterable[bytes]], Iterator[bytes]]
    """The content of a file out of the frames of all its pieces."""


class Kept:
    """A folder of frames: each in a file whose name is the digest of its piece; `INDEX` has the frames' own digests."""

    def __init__(self, folder: Path, settings: tuple[int, ...]) -> None:
        self.folder = folder
        self.settings = settings
        self._digests: Mapping[str, str] = {}
        try:
            index = json.loads((folder / INDEX).read_text())
        except FileNotFoundError:
            return
        if index["settings"] == list(settings):
            self._digests = index["frames"]

    def frame(self, digest: str) -> bytes | None:
        """The frame of a piece; None if it is not here, or not any more what was put here."""
        if digest not in self._digests:
            return None
        try:
            frame = (self.folder / digest).read_bytes()
        except FileNotFoundError:
            return None
        return frame if hashlib.sha256(frame).hexdigest() == self._digests[digest] else None

    def put(self, digest: str, frame: bytes, other: Kept | None) -> str:
        """Keep a frame, of which `other` has a copy or nobody. Returns its digest, for `finish`."""
        if other is None:
            (self.folder / digest).write_bytes(frame)
        else:
            os.link(other.folder / digest, self.folder / digest)
        return hashlib.sha256(frame).hexdigest()

    def finish(self, digests: Mapping[str, str]) -> None:
        """Write the index: of each piece's digest the frame's."""
        self._digests = digests
        (self.folder / INDEX).write_text(json.dumps({"settings": self.settings, "frames": digests}))


def _zst(piece: bytes) -> bytes:
    """With the piece's size in its header, which Raspberry Pi Imager adds up to know how large the image is."""
    return zstandard.ZstdCompressor(level=ZST_LEVEL, write_checksum=True).compress(piece)


def _xz(piece: bytes) -> bytes:
    """A whole .xz file of its own."""
    return lzma.compress(piece, format=lzma.FORMAT_XZ, preset=XZ_LEVEL)


def _one_stream(files: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks of several .xz files as one stream, with an index over all.

    The files one after the other would be a valid .xz as well, but Raspberry Pi Imager takes the size of an image
    from the last stream's index alone. See "The .xz File Format" 1.2, sections 2.1, 4 and 5.
    """
    records, header = [], b""
    for file in files:
        index_size = (struct.unpack_from("<I", file, len(file) - 8)[0] + 1) * 4
        index = file[-XZ_ENDS - index_size : -XZ_ENDS]
        unpadded, at = _number(index, 2)  # after the index's first byte, and the number of its records: one
        records.append((unpadded, _number(index, at)[0]))
        if not header:
            header = file[:XZ_ENDS]
            yield header
        yield file[XZ_ENDS : -XZ_ENDS - index_size]
    index = b"\0" + _as_number(len(records)) + b"".join(_as_number(number) for pair in records for number in pair)
    index += bytes(-len(index) % 4)
    yield index + struct.pack("<I", zlib.crc32(index))
    flags = struct.pack("<I", len(index) // 4) + header[6:8]  # counted with its CRC, less one
    yield struct.pack("<I", zlib.crc32(flags)) + flags + b"YZ"


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, and where the next begins: section 1.2."""
    end = next(i for i in range(at, len(data)) if data[i] < 0x80) + 1
    return sum((data[i] & 0x7F) << 7 * (i - at) for i in range(at, end)), end


def _as_number(value: int) -> bytes:
    written = []
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


FORMATS = {
    "zst": Format((ZST_LEVEL, *zstandard.ZSTD_VERSION), _zst, iter),
    "xz": Format((XZ_LEVEL,), _xz, _one_stream),
}
"""By the ending of the file's name."""
