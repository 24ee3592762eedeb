"""Unpacks image files: .xz, .zst, .gz, .zip or plain, told apart by how they begin."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from appliance.errors import InputError

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16
"""A block of zeros of this size becomes a hole."""

MAGIC = {b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst", b"\x1f\x8b": "gz", b"PK\x03\x04": "zip"}


def kind_of(file: Path) -> str:
    """`xz`, `zst`, `gz`, `zip`, or nothing for a file that is not compressed."""
    with file.open("rb") as reader:
        beginning = reader.read(8)
    return next((kind for magic, kind in MAGIC.items() if beginning.startswith(magic)), "")


def decompress(source: Path, target: Path, progress: Callable[[int, int | None], None]) -> None:
    """Write the image in `source` to `target`, sparse. Raises InputError if it is cut short or damaged."""
    with target.open("wb") as writer:
        for chunk in content(source, progress):
            write_sparse(writer, chunk)
        writer.truncate(writer.tell())


def content(source: Path, progress: Callable[[int, int | None], None]) -> Iterator[bytes]:
    """What is in the compressed file `source`, in pieces. Raises InputError if it is cut short or damaged."""
    kind = kind_of(source)
    size = source.stat().st_size
    try:
        with source.open("rb") as packed:
            for chunk in _chunks(kind, packed, source):
                yield chunk
                progress(packed.tell(), size)
    except EOFError as error:
        raise InputError(f"{source} is cut short: its {kind} data has no end", hint="download it again") from error
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstandard.ZstdError) as error:
        raise InputError(f"{source} is damaged: {error}", hint="download it again") from error


def _chunks(kind: str, packed: BinaryIO, source: Path) -> Iterator[bytes]:
    if kind == "zst":
        yield from zst(iter(lambda: packed.read(CHUNK_BYTES), b""))
        return
    with _opened(kind, packed, source) as reader:
        while chunk := reader.read(CHUNK_BYTES):
            yield chunk


@contextmanager
def _opened(kind: str, packed: BinaryIO, source: Path) -> Iterator[IO[bytes]]:
    if kind == "xz":
        with lzma.open(packed) as reader:
            yield reader
    elif kind == "gz":
        with gzip.open(packed) as unzipped:
            yield cast(IO[bytes], unzipped)
    else:
        with zipfile.ZipFile(packed) as archive:
            names = [name for name in archive.namelist() if name.endswith(".img")]
            if len(names) != 1:
                found = ", ".join(archive.namelist()[:10]) or "nothing"
                raise InputError(f"{source} has not exactly one .img in it, but {found}")
            with archive.open(names[0]) as reader:
                yield reader


def zst(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of all frames that are in these chunks, one after the other. Raises EOFError if the last is cut
    short: zstandard's own readers take that for the end.
    """
    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
    for chunk in chunks:
        data = chunk
        while data:
            yield frame.decompress(data)
            begun, data = not frame.eof, frame.unused_data
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            else:
                data = b""
    if begun:
        raise EOFError


def write_sparse(writer: BinaryIO, chunk: bytes) -> None:
    """Write on, with a hole where nothing but zeros is."""
    for begin in range(0, len(chunk), BLOCK_BYTES):
        block = chunk[begin : begin + BLOCK_BYTES]
        if block.count(0) == len(block):
            writer.seek(len(block), 1)
        else:
            writer.write(block)
