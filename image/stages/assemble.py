"""Puts the partitions together into the files in the output folder: the image, compressed or not, and checksums."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from image import output
from image.cache.code import code_of
from image.disk import bmap, layout, partitions, pieces
from image.disk.frames import FORMATS, Kept
from image.disk.pieces import Piece, Region
from image.recipe import IMG, Recipe
from image.stage import Makes, Stage, Work
from image.stages import boot, compress

CODE = code_of(__file__)

SYNC_BYTES = 1 << 26
"""After so much, the disk begins."""


def stage(recipe: Recipe) -> Stage:
    """Makes the output."""
    packed = [compress.name(ending) for ending in recipe.formats if ending != IMG]
    needs = ("inspect", "bootfs", "rootfs", *packed, "boot")
    return Stage("assemble", Makes.OUTPUT, needs, {"formats": recipe.formats}, _make, CODE)


def _make(work: Work) -> list[Path]:
    recipe, image = work.recipe, regions(work)
    with ExitStack() as opened:
        # They have appliance.yaml in them, or what guesses at it can be checked with: they are for their owner alone.
        files = {end: opened.enter_context(output.written(recipe.file(end), private=True)) for end in recipe.formats}
        sums = opened.enter_context(output.written(recipe.checksums, private=True))
        block_map = opened.enter_context(output.written(recipe.block_map, private=True))
        with ThreadPoolExecutor(len(files)) as writers:
            digests = writers.map(lambda ending: _write(ending, files[ending], image, work), files)
            named = [(digest, recipe.file(ending).name) for ending, digest in zip(files, digests, strict=True)]
        sums.write_text("".join(f"{digest}  {name}\n" for digest, name in named))
        block_map.write_text(bmap.of(image))
        for old in recipe.files:  # whatever happens next: they are not of this image
            old.unlink(missing_ok=True)
    return [*map(recipe.file, recipe.formats), recipe.checksums, recipe.block_map]


def regions(work: Work) -> list[Region]:
    """The whole image: what is before the first partition, that, what is between, and the second."""
    about, (_, root) = layout.of(work.results), compress.file_systems(work)
    boot_start, root_start = about.boot_start * layout.SECTOR_BYTES, about.root_start * layout.SECTOR_BYTES
    rest, file = work.result / "rest", work.results["boot"] / boot.FILE
    with rest.open("wb") as empty:
        empty.truncate(root_start + root.size)
    partitions.write_table(rest, about, root.size)
    boot_end = boot_start + file.stat().st_size
    return [
        pieces.region(rest, size=boot_start, free=[range(pieces.PIECE_BYTES, boot_start)]),
        pieces.region(file, free=[range(pieces.data_end(file), file.stat().st_size)]),
        pieces.region(rest, offset=boot_end, size=root_start - boot_end, free=[range(boot_end, root_start)]),
        root,
    ]


def _write(ending: str, file: Path, image: Sequence[Region], work: Work) -> str:
    """Write one of the files; returns its SHA-256."""
    if ending == IMG:
        return _write_plain(file, image)
    digest, form = hashlib.sha256(), FORMATS[ending]
    kept = Kept(work.results[compress.name(ending)], form.settings)

    def frame(place: tuple[Region, int, Piece]) -> bytes:
        region, at, piece = place
        return kept.frame(piece.digest) or form.compress(region.content(at, piece))

    places = ((region, at, piece) for region in image for at, piece in region.placed())
    with file.open("r+b") as writer, pieces.all_cores() as cores, ThreadPoolExecutor(1) as disk:
        written, size = [], 0
        for part in form.joined(pieces.in_order(cores, frame, places)):
            written.append(cores.submit(_put, writer.fileno(), part, size))
            if size // SYNC_BYTES < (size + len(part)) // SYNC_BYTES:
                written.append(disk.submit(os.fdatasync, writer.fileno()))  # or all of it is waited for in the end
            size += len(part)
            digest.update(part)  # meanwhile
        for one in written:
            one.result()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _put(number: int, content: bytes, at: int) -> None:
    """Write to an open file."""
    end = at + len(content)
    while at < end:
        at += os.pwrite(number, content[-(end - at) :], at)


def _write_plain(file: Path, image: Sequence[Region]) -> str:
    partitions.copy(image[0].file, file)  # the partition table, and the size
    start = 0
    for region in image:
        if region.file != image[0].file:
            partitions.place(region.file, file, start // layout.SECTOR_BYTES)
        start += region.size
    digest = unpacked(image)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return digest


def unpacked(image: Sequence[Region]) -> str:
    """The SHA-256 of the image that is not compressed: of 1.5 GB, a second."""
    digest = hashlib.sha256()
    with pieces.all_cores() as cores:
        places = ((region, at, piece) for region in image for at, piece in region.placed())
        for content in pieces.in_order(cores, lambda place: place[0].content(*place[1:]), places):
            digest.update(content)
    return digest.hexdigest()
