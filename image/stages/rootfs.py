"""Makes the root partition's ext4 file system out of the layers."""

from __future__ import annotations

import os
from pathlib import Path

from image import output
from image.cache.code import code_of
from image.disk import devices, ext4, layout, pieces
from image.inside.mounts import mounted
from image.stage import Makes, Stage, Work
from image.stages import inspect
from image.stages.index import epoch

CODE = code_of(__file__)

FREE_BYTES = 256 << 20
"""What is free on the image as it is; on its first boot it grows to the card."""

FILE = "rootfs.ext4"
PIECES = "pieces.json"


def stage() -> Stage:
    """Makes the second partition's content."""
    inputs = {"free_bytes": FREE_BYTES}
    return Stage("rootfs", Makes.FILES, ("index", "inspect", "unpack"), inputs, _make, CODE, sees_root=True)


def size(work: Work, root: Path) -> tuple[int, int]:
    """Bytes and inodes of the file system: room for what is in `root`, and never less than the base had."""
    needed, inodes = ext4.size_for(root, FREE_BYTES)
    if "inspect" not in work.results:
        return needed, inodes
    had = int((work.results["inspect"] / inspect.ROOT_BYTES).read_text())
    size_bytes = max(needed, -(-had // ext4.BLOCK_BYTES) * ext4.BLOCK_BYTES)
    return size_bytes, max(inodes, size_bytes // ext4.BYTES_PER_INODE)


def _make(work: Work) -> None:
    about = layout.of(work.results)
    now = epoch(work.recipe, work.results)
    # What is on the FAT partition does not belong on this one: an empty folder hides it.
    with work.root() as root, mounted(root / about.boot_mount, "-t", "tmpfs", "-o", "mode=755", "tmpfs") as hidden:
        os.utime(hidden, (now, now))
        size_bytes, inodes = size(work, root)
        ext4.make(
            work.result / FILE,
            root,
            size_bytes=size_bytes,
            inodes=inodes,
            label=about.root_label,
            uuid=about.root_uuid,
            epoch=now,
        )
    if "unpack" in work.results:
        devices.make(devices.read(work.beside_of("unpack")), work.result / FILE, epoch=now)
    ext4.settle_times(work.result / FILE, now)
    output.begin_writing(work.result / FILE)
    made = pieces.region(work.result / FILE, free=ext4.free(work.result / FILE))
    pieces.write(made.pieces, work.result / PIECES)
