"""Whether a folder in the cache is still what it was when it was made."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

_DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 22


def outline(folder: Path) -> str:
    """A digest of all but content: tells what was lost, cut off, or written to.

    Names, kinds, modes, owners, extended attributes (capabilities among them), sizes, times and link targets. Only in
    a build's namespaces: from outside, owners and attributes look different.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for path, known in _nodes(os.fsencode(folder)):
        file = os.path.join(os.fsencode(folder), path)  # noqa: PTH118
        told = [path, b"%o %d %d" % (known.st_mode, known.st_uid, known.st_gid)]
        for name in sorted(os.listxattr(file, follow_symlinks=False)):
            told += [os.fsencode(name), os.getxattr(file, name, follow_symlinks=False)]
        if stat.S_ISREG(known.st_mode):
            told += [b"%d" % known.st_size, b"%d" % known.st_mtime_ns]
        elif stat.S_ISLNK(known.st_mode):
            told.append(os.readlink(file))  # noqa: PTH115
        digest.update(b"\0".join(told) + b"\n")
    return digest.hexdigest()


def contents(folder: Path) -> str:
    """A digest of what is in the files, with their names. Whether zeros are stored, or are a hole, is all the same."""
    blocks = [
        (path, start)
        for path, known in _nodes(os.fsencode(folder))
        if stat.S_ISREG(known.st_mode)
        for start in range(0, max(known.st_size, 1), _BLOCK_BYTES)
    ]
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (path, start), of_block in zip(
            blocks, threads.map(lambda block: _of_block(folder, *block), blocks), strict=True
        ):
            digest.update(b"%b\0%d\0%b" % (path, start, of_block))
    return digest.hexdigest()


def disk_bytes(folder: Path) -> int:
    """What a folder takes of the disk; holes and hard links count once."""
    blocks = {(known.st_dev, known.st_ino): known.st_blocks for _, known in _nodes(os.fsencode(folder))}
    return 512 * sum(blocks.values())


def _of_block(folder: Path, path: bytes, start: int) -> bytes:
    with open(os.path.join(os.fsencode(folder), path), "rb", buffering=0) as file:  # noqa: PTH118, PTH123 (no text)
        size = min(_BLOCK_BYTES, os.fstat(file.fileno()).st_size - start)
        if _is_hole(file.fileno(), start, size):
            return _of_zeros(size)
        return hashlib.sha256(os.pread(file.fileno(), size, start)).digest()


def _is_hole(number: int, start: int, size: int) -> bool:
    if size <= 0:
        return False
    try:
        return os.lseek(number, start, os.SEEK_DATA) >= start + size
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return True


@cache
def _of_zeros(size: int) -> bytes:
    return hashlib.sha256(bytes(size)).digest()


def _nodes(folder: bytes, below: bytes = b"") -> Iterator[tuple[bytes, os.stat_result]]:
    """Everything below a folder, sorted: the path in it, and what the file system knows."""
    with os.scandir(os.path.join(folder, below)) as listed:  # noqa: PTH118
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        path = os.path.join(below, entry.name)  # noqa: PTH118
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _nodes(folder, path)
