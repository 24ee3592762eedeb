"""Unpacks the base's image file and recognises what it is; what is unknown or broken is refused here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import InputError
from image import fingerprint
from image.boards import Kind
from image.cache.code import code_of
from image.disk import decompress, fat, layout, partitions
from image.disk.layout import SECTOR_BYTES, Layout
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import fetch

CODE = code_of(__file__)

NAME = "inspect"
FILE = "base.img"
"""Only of a base that is compressed."""
ROOT_BYTES = "root_bytes"
"""How large the base's root partition is."""


def stage(recipe: Recipe) -> Stage:
    """Makes a plain image file of the base, and says how it is laid out."""
    return Stage(NAME, Makes.FILES, (fetch.NAME,), {"kind": recipe.kind.name}, _make, CODE)


def _make(work: Work) -> None:
    with fetch.reading(work) as source:
        if decompress.kind_of(source):
            unpacked = work.result / FILE
            decompress.decompress(
                source, unpacked, lambda done, total: work.events.progress("decompressed", done, total)
            )
    with plain(work, work.result) as image:
        found = recognise(image, work.recipe.kind)
        root_bytes = partitions.read_table(image).root_sectors * SECTOR_BYTES
    layout.write(found, work.result)
    (work.result / ROOT_BYTES).write_text(f"{root_bytes}\n")
    work.events.note(f"base: {found.release}, first boot by {found.first_boot}")


@contextmanager
def plain(work: Work, result: Path) -> Iterator[Path]:
    """The plain image file for the block: in this stage's `result`, or the base itself where that is one.

    Errors in the block are about the file that the user gave, not about one in the cache.
    """
    image = result / FILE
    if not image.exists():
        with fetch.reading(work) as base:
            yield base
        return
    try:
        yield image
    except InputError as error:
        raise InputError(error.message.replace(str(image), work.recipe.base), hint=error.hint) from error


def recognise(image: Path, kind: Kind) -> Layout:
    """How the system in an image file is laid out.

    Raises InputError, with what was found, if no image of that kind can be made of it.
    """
    from image.disk import ext4_files  # noqa: PLC0415 (slow to load, and most builds need none)

    table = partitions.read_table(image)
    boot = fat.read_parameters(image, table.boot_start * SECTOR_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        fat.read(image, table.boot_start * SECTOR_BYTES, files)
        names = frozenset(file.name for file in files.iterdir())
        cmdline = (files / "cmdline.txt").read_text(errors="replace") if "cmdline.txt" in names else ""
    with ext4_files.opened(image, table.root_start * SECTOR_BYTES) as root:
        system = fingerprint.identify(
            fingerprint.Found(
                os_release=root.text("/etc/os-release"),
                fstab=root.text("/etc/fstab"),
                dpkg_status=root.text("/var/lib/dpkg/status"),
                cmdline=cmdline,
                boot_files=names,
                partuuid=f"{table.disk_id:08x}-01",
            ),
            kind,
        )
        return Layout(
            disk_id=table.disk_id,
            boot_start=table.boot_start,
            boot_sectors=table.boot_sectors,
            boot_label=boot.label,
            boot_volume_id=boot.volume_id,
            boot_cluster_sectors=boot.cluster_sectors,
            root_start=table.root_start,
            root_label=root.label,
            root_uuid=root.uuid,
            boot_mount=system.boot_mount,
            release=system.release,
            first_boot=system.first_boot,
        )
