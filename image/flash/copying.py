"""Writes pieces to a disk, and reads back whether they are there."""

from __future__ import annotations

import errno
import hashlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from appliance.errors import PermanentError
from image.flash.advice import advice
from image.flash.medium import CHUNK_BYTES, Medium

COMPARED_BYTES = 1 << 20
"""How exactly it is told where something else is read than was written. Digests of smaller parts cost time: the thread
that takes one hands Python's lock over each time, and on a busy machine then waits for its turn."""
AHEAD = 4
"""How many pieces are read while one is written: 16 MB of memory, and neither waits for the other."""

_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM)

_One = TypeVar("_One")


@dataclass(frozen=True)
class Chunk:
    """A piece of what goes onto a disk: where it begins there, and its content."""

    at: int
    data: bytes


@dataclass(frozen=True)
class Written:
    """A piece that was written."""

    at: int
    size: int
    digests: tuple[bytes, ...]
    """Of each `COMPARED_BYTES` of it."""
    behind_image: bool = False
    """Whether it is there only to find out if the disk has as much as it says."""


def sealed(chunk: Chunk, *, behind_image: bool = False) -> Written:
    """What must be read when a piece was written."""
    return Written(chunk.at, len(chunk.data), _digests(chunk.data), behind_image)


def write(medium: Medium, chunk: Chunk) -> None:
    """Write a piece, all of it. Raises PermanentError."""
    left, at = memoryview(chunk.data), chunk.at
    while left:
        with _fault_explained(medium, "writing", at):
            count = medium.write(at, left)
            if not count:
                raise OSError(errno.ENOSPC, "nothing more is taken")
        left, at = left[count:], at + count


def read(medium: Medium, at: int, size: int) -> bytes:
    """Read `size` bytes. Raises PermanentError."""
    found = bytearray()
    while len(found) < size:
        with _fault_explained(medium, "reading", at + len(found)):
            part = medium.read(at + len(found), min(size - len(found), CHUNK_BYTES))
            if not part:
                raise OSError(errno.EIO, "the disk ends here")
        found += part
    return bytes(found)


def flush(medium: Medium) -> None:
    """Come back when everything is on the disk. Raises PermanentError."""
    with _fault_explained(medium, "writing"):
        medium.flush()


def compare(medium: Medium, written: Iterable[Written]) -> Iterator[int]:
    """Read pieces back, from the disk; gives the size of each that is as it was written. Raises PermanentError."""
    with _fault_explained(medium, "reading"):
        medium.forget()
    for one, found in ahead((one, read(medium, one.at, one.size)) for one in written):
        digests = _digests(found)
        if digests != one.digests:
            wrong = next(n for n, pair in enumerate(zip(digests, one.digests, strict=True)) if pair[0] != pair[1])
            raise _differs(medium, one, one.at + wrong * COMPARED_BYTES)
        yield one.size


def ahead(things: Iterator[_One]) -> Iterator[_One]:
    """The same things, of which a few are made by another thread while one is used."""
    with ThreadPoolExecutor(1) as maker:
        waiting: deque[Future[tuple[_One, ...]]] = deque(maker.submit(_next, things) for _ in range(AHEAD))
        try:
            while found := waiting.popleft().result():
                waiting.append(maker.submit(_next, things))
                yield found[0]
        finally:
            maker.shutdown(cancel_futures=True)


def _next(things: Iterator[_One]) -> tuple[_One, ...]:
    """The next one, in a tuple that is empty after the last one: a thread cannot raise StopIteration."""
    return tuple(itertools.islice(things, 1))


def _digests(data: bytes) -> tuple[bytes, ...]:
    view = memoryview(data)
    parts = (view[at : at + COMPARED_BYTES] for at in range(0, len(data), COMPARED_BYTES))
    return tuple(hashlib.blake2b(part, digest_size=16).digest() for part in parts)


def _differs(medium: Medium, one: Written, at: int) -> PermanentError:
    hints = advice(is_disk=medium.is_disk)
    if one.behind_image:
        return PermanentError(
            f"the disk does not have the room that it says: nothing is kept at byte {at}", hint=hints.fake
        )
    message = f"what is read behind byte {at} is not what was written there"
    return PermanentError(message, hint=hints.differing)


@contextmanager
def _fault_explained(medium: Medium, doing: str, at: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = "" if at is None else f" at byte {at}"
        message, hints = f"{doing}{where} failed: {error.strerror}", advice(is_disk=medium.is_disk)
        hint = hints.full if error.errno == errno.ENOSPC else hints.failing
        if error.errno in _GONE:
            message, hint = f"the disk is gone: {message}", hints.gone
        raise PermanentError(message, hint=hint) from error
