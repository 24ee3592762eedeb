"""Takes an existing image apart: its root file system, with what is on the FAT partition where that is mounted."""

from __future__ import annotations

from image.cache.code import code_of
from image.disk import devices, fat, layout
from image.disk.layout import SECTOR_BYTES
from image.stage import Makes, Stage, Work
from image.stages import fetch, inspect

CODE = code_of(__file__)


def stage() -> Stage:
    """Makes the lowest layer out of an image."""
    needs = (fetch.NAME, inspect.NAME)
    return Stage("unpack", Makes.ROOT, needs, {}, _make, CODE)


def _make(work: Work) -> None:
    from image.disk import ext4_files  # noqa: PLC0415 (slow to load, and most builds need none)

    about = layout.of(work.results)
    boot = work.result / about.boot_mount
    with inspect.plain(work, work.results[inspect.NAME]) as image:
        with ext4_files.opened(image, about.root_start * SECTOR_BYTES) as root:
            nodes = root.extract(work.result)
        boot.mkdir(parents=True, exist_ok=True)
        fat.read(image, about.boot_start * SECTOR_BYTES, boot)
    devices.write(nodes, work.beside)
