"""What is left of one device: a folder of two files that are one image together, or one file."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import zstandard

from appliance.errors import InputError
from image import output
from image.stamp.exchange import exchange

LEVEL = 3
CHUNK_BYTES = 1 << 20

OWN, SHARED, SUMS = "1-device.img.zst", "2-shared.img.zst", "SHA256SUMS"
"""The files in a device's folder, as they follow each other on the card; and their checksums for sha256sum(1)."""

ALIGNMENT_BYTES = 1 << 16
"""Where a file system can share bytes between two files, both must have them at a multiple of its blocks' size."""
SKIPPED = 0x184D2A50
"""How a frame begins that decompressors skip (RFC 8878, 3.1.2)."""


@dataclass(frozen=True)
class Device:
    """A device that is to have an image."""

    name: str
    file: str
    """Where its configuration comes from, for messages."""
    config: bytes = field(repr=False)
    """Its appliance.yaml, checked; may hold secrets."""


@dataclass(frozen=True)
class Shared:
    """The compressed rest of the image."""

    file: Path
    sha256: str


def folder_of(target: Path, own: bytes, shared: Shared, work: Path) -> int:
    """Make a device's folder `target` out of its own beginning, compressed, and the shared rest.

    An older one is replaced in one step: whenever that is broken off, one of the two is there, and whole. `work` is an
    empty folder on the same file system, where the older one is left. Returns the bytes of disk that are taken anew.
    """
    new = work / "new"
    new.mkdir()
    with output.written(new / OWN, private=True) as temporary:
        temporary.write_bytes(own)
    _link(shared.file, new / SHARED)
    with output.written(new / SUMS) as temporary:
        temporary.write_text(f"{hashlib.sha256(own).hexdigest()}  {OWN}\n{shared.sha256}  {SHARED}\n")
    taken = sum((new / name).stat().st_blocks * 512 for name in (OWN, SUMS))
    if target.exists():
        _replace(target, new)
    else:
        new.rename(target)
    return taken


def file_of(target: Path, own: bytes, shared: Shared) -> int:
    """Make a device's image the one file `target`; its checksum goes beside it.

    Returns the bytes of disk that it takes; where the file system shares blocks of files, fewer of them are new.
    """
    padded = own + _skipped(-len(own) % ALIGNMENT_BYTES)
    digest = hashlib.sha256(padded)
    sums = target.with_name(target.name.removesuffix(".img.zst") + ".sha256")
    with output.written(target, private=True) as temporary:
        with temporary.open("wb") as writer, shared.file.open("rb") as reader:
            writer.write(padded)
            writer.flush()
            _copy(reader, writer)
        sums.unlink(missing_ok=True)  # it is of the old one
    with shared.file.open("rb") as reader:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
    with output.written(sums) as temporary:
        temporary.write_text(f"{digest.hexdigest()}  {target.name}\n")
    return (target.stat().st_blocks + sums.stat().st_blocks) * 512


def check_replaceable(target: Path) -> None:
    """Raise InputError if at a device's folder's place is something that was not stamped."""
    if not os.path.lexists(target):
        return
    hint = "give another folder with --output, or move it away"
    if not target.is_dir() or target.is_symlink():
        raise InputError(f"{target} is in the way: a folder is to be there", hint=hint)
    if others := sorted(file.name for file in target.iterdir() if file.name not in (OWN, SHARED, SUMS)):
        raise InputError(f"{target} is there, and has more in it than a stamped image: {others[0]}", hint=hint)


def compressed(data: bytes) -> bytes:
    """One frame of zstd."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)


def share(chunks: Iterator[bytes], size: int, file: Path) -> Iterator[int]:
    """Compress `size` bytes into `file`, with all cores; yields how many are done."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=-1).compressobj(size=size)
    done = 0
    with file.open("wb") as writer:
        for chunk in chunks:
            writer.write(compressor.compress(chunk))
            done += len(chunk)
            yield done
        writer.write(compressor.flush())
    file.chmod(0o600)


def append(source: Path, at: int, file: Path) -> None:
    """Append what is in `source` from byte `at` on."""
    with source.open("rb") as reader, file.open("r+b") as writer:
        reader.seek(at)
        writer.seek(0, os.SEEK_END)
        _copy(reader, writer)


def _copy(reader: BinaryIO, writer: BinaryIO) -> None:
    """Copy what is left to be read; where the file system can do that, by sharing it."""
    try:
        while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        shutil.copyfileobj(reader, writer)


def _skipped(size: int) -> bytes:
    """A frame of `size` bytes, or a bit more, without content."""
    if not size:
        return b""
    content = size - 8 if size >= 8 else size - 8 + ALIGNMENT_BYTES
    return struct.pack("<II", SKIPPED, content) + bytes(content)


def _replace(target: Path, new: Path) -> None:
    try:
        exchange(new, target)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):  # EXDEV: as some stacked ones say it
            raise
        raise InputError(
            f"{target} is on a file system that cannot replace a folder in one step: {error.strerror}",
            hint="remove it, or give another folder with --output",
        ) from error


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        raise InputError(
            f"{source.parent.parent} is on a file system that cannot link files: {error.strerror}",
            hint="--single makes one whole file for each device there",
        ) from error
