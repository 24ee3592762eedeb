"""Compresses the image, and writes the checksums of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from image import output
from image.events import Events
from image.stage import Makes, Stage, Work, code_of

LEVEL = 3
CHUNK_BYTES = 1 << 20


def stage() -> Stage:
    """Makes the .img.zst and the .sha256."""
    return Stage("compress", Makes.OUTPUT, ("assemble",), {"level": LEVEL}, _make, code_of(__file__))


def _make(work: Work) -> list[Path]:
    image = work.recipe.image
    packed, sums = work.recipe.packed, work.recipe.checksums
    size = image.stat().st_size
    of_image, of_packed = hashlib.sha256(), hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=LEVEL, threads=-1).compressobj(size=size)
    with (
        output.written(packed, private=True) as temporary,
        image.open("rb") as reader,
        temporary.open("wb") as writer,
    ):
        for chunk in _chunks(reader, size, work.events):
            of_image.update(chunk)
            piece = compressor.compress(chunk)
            of_packed.update(piece)
            writer.write(piece)
        piece = compressor.flush()
        of_packed.update(piece)
        writer.write(piece)
    with output.written(sums) as temporary:
        digests = {image.name: of_image, packed.name: of_packed}
        temporary.write_text("".join(f"{digest.hexdigest()}  {name}\n" for name, digest in digests.items()))
    return [packed, sums]


def _chunks(reader: BinaryIO, size: int, events: Events) -> Iterator[bytes]:
    done = 0
    while chunk := reader.read(CHUNK_BYTES):
        yield chunk
        done += len(chunk)
        events.progress("compressed", done, size)
