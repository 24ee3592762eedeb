"""Writes an image to a disk, and reads it back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import ApplianceError, InputError
from image.events import Events
from image.flash import copying, room
from image.flash.advice import advice
from image.flash.config import Config
from image.flash.copying import Chunk, Written
from image.flash.medium import BLOCK_BYTES, Medium, opened
from image.flash.meter import measured
from image.flash.original import Original
from image.flash.refusal import too_small

Door = Callable[[Path], AbstractContextManager[Medium]]


@dataclass(frozen=True)
class Done:
    """What was done."""

    written_bytes: int
    table_read: bool
    """Whether the kernel knows of the new partitions."""
    seconds: float


def flash(image: Original, config: Config | None, path: Path, events: Events, door: Door = opened) -> Done:
    """Write `image` to the disk at `path`, with the configuration if there is one, and compare all of it.

    That they belong together was looked at before (`config.on_card`). The disk's first block comes last: until
    everything else was read back, the disk has no partition table.
    Raises InputError or PermanentError; what is said then tells whether the disk can still be used.
    """
    began = time.monotonic()
    with door(path) as disk:
        if image.size_bytes is not None and image.size_bytes > disk.size_bytes:
            refused = too_small(image.size_bytes, disk.size_bytes, is_disk=disk.is_disk)
            raise InputError(f"{path} {refused.why}", hint=refused.hint)
        with _use_explained(path):
            head, written = _write(image, disk, events)
            _verify(written, disk, events)
            rest = _finish(head, config, disk, events)
        table_read = _table_read(disk)
    size = sum(one.size for one in (*written, *rest) if not one.behind_image)
    return Done(size, table_read, time.monotonic() - began)


def _write(image: Original, disk: Medium, events: Events) -> tuple[bytes, list[Written]]:
    """Write all but the first block, which is returned with what was written."""
    head, written = b"", []
    with measured(events, "write", image.to_write_bytes) as meter:
        if image.size_bytes is not None:
            for mark in room.marks(image.size_bytes, disk.size_bytes, os.urandom(16)):
                copying.write(disk, mark)
                written.append(copying.sealed(mark, behind_image=True))
        copying.write(disk, Chunk(0, bytes(BLOCK_BYTES)))  # whatever was there, it is no table of this disk any more
        copying.flush(disk)
        for chunk, seal in copying.ahead((chunk, copying.sealed(chunk)) for chunk in _head_apart(image)):
            if chunk.at + len(chunk.data) > disk.size_bytes:
                raise InputError("it is too small for the image", hint=advice(is_disk=disk.is_disk).too_small)
            if chunk.at:
                copying.write(disk, chunk)
                written.append(seal)
            else:
                head = chunk.data
            meter.add(len(chunk.data))
        copying.flush(disk)
    return head, written


def _head_apart(image: Original) -> Iterator[Chunk]:
    """What a card needs of an image, the first block in a piece of its own."""
    for chunk in image.chunks():
        if chunk.at:
            yield chunk
        else:
            yield Chunk(0, chunk.data[:BLOCK_BYTES])
            yield Chunk(BLOCK_BYTES, chunk.data[BLOCK_BYTES:])


def _verify(written: list[Written], disk: Medium, events: Events) -> None:
    with measured(events, "verify", sum(one.size for one in written)) as meter:
        for size in copying.compare(disk, written):
            meter.add(size)


def _finish(head: bytes, config: Config | None, disk: Medium, events: Events) -> list[Written]:
    """Write the configuration, and then the first block; and compare these."""
    with measured(events, "finish", None):
        chunks: list[Chunk] = []
        if config is not None:
            chunks += config.chunks(head, lambda at, size: copying.read(disk, at, size), datetime.now(UTC))
        for chunk in chunks:
            copying.write(disk, chunk)
        copying.flush(disk)
        chunks.append(Chunk(0, head))
        copying.write(disk, chunks[-1])
        copying.flush(disk)
        written = [copying.sealed(chunk) for chunk in chunks]
        for _ in copying.compare(disk, written):
            pass
    return written


def _table_read(disk: Medium) -> bool:
    try:
        disk.reread_table()
    except OSError:  # without the right to do that; or a desktop was quick, and looks at a partition already
        return False
    return True


@contextmanager
def _use_explained(path: Path) -> Iterator[None]:
    """Say of what breaks off the block that the disk cannot be used then."""
    state = f"what is on {path} now cannot be used"
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"interrupted: {state}; the same command again begins anew") from error
    except ApplianceError as error:
        raise type(error)(f"{error.message}; {state}", hint=error.hint) from error
    except OSError as error:  # the disk's own are explained where they happen
        message = f"the image cannot be read any more: {error.strerror}; {state}"
        raise InputError(message, hint="the same command again begins anew, once it can be read") from error
