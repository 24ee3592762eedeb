"""Puts the partitions together into the image file."""

from __future__ import annotations

from pathlib import Path

from image import layout, output, partitions
from image.stage import Makes, Stage, Work, code_of
from image.stages import boot, rootfs


def stage() -> Stage:
    """Makes the .img."""
    code = code_of(__file__, partitions, layout)
    return Stage("assemble", Makes.OUTPUT, ("inspect", "rootfs", "boot"), {}, _make, code)


def _make(work: Work) -> list[Path]:
    about = layout.of(work.results)
    first, second = work.results["boot"] / boot.FILE, work.results["rootfs"] / rootfs.FILE
    root_bytes = second.stat().st_size
    with output.written(work.recipe.image, private=True) as image:  # it has appliance.yaml on it
        with image.open("r+b") as file:
            file.truncate(about.root_start * layout.SECTOR_BYTES + root_bytes)
        partitions.write_table(image, about, root_bytes)
        partitions.place(first, image, about.boot_start)
        partitions.place(second, image, about.root_start)
        for old in (work.recipe.packed, work.recipe.checksums):  # whatever happens next: they are not of this image
            old.unlink(missing_ok=True)
    return [work.recipe.image]
