"""Whether a disk has the room that it says: a fake keeps what is written past its end elsewhere, or nowhere.

Such cards forget the upper bits of the place, as far as is known of them (f3, "how fake drives work"). So at each power
of two behind the image, and at the end, something is written before the image is, and must still be there after it:
with a bit forgotten, it is at the beginning, where the image has been written over it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from image.flash.copying import Chunk
from image.flash.medium import BLOCK_BYTES


def marks(image_bytes: int, size_bytes: int, seed: bytes) -> Iterator[Chunk]:
    """What to write on a disk of `size_bytes`, the farthest first; none if the image fills it."""
    last = (size_bytes // BLOCK_BYTES - 1) * BLOCK_BYTES
    if last < image_bytes:
        return
    yield _mark(last, seed)
    at = 1 << (last.bit_length() - 1)
    while at >= max(image_bytes, BLOCK_BYTES):
        if at + BLOCK_BYTES <= last:
            yield _mark(at, seed)
        at >>= 1


def _mark(at: int, seed: bytes) -> Chunk:
    """Of each place its own, and of each run."""
    return Chunk(at, hashlib.shake_128(seed + at.to_bytes(8, "big")).digest(BLOCK_BYTES))
