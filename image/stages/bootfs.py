"""Makes the FAT partition's file system with what the base and its packages have on it."""

from __future__ import annotations

from image.cache.code import code_of
from image.disk import fat, layout, pieces
from image.stage import Makes, Stage, Work
from image.stages.index import epoch

CODE = code_of(__file__)

FILE = "bootfs.fat"
PIECES = "pieces.json"

CONFIG = "appliance.yaml"
SCHEMA = "appliance.schema.json"
"""Beside the configuration, where editors look for it: the file's first line names it."""
OURS = (CONFIG, SCHEMA)
"""What `boot` adds: a base that has them keeps nothing of them, not even where its free clusters are."""


def stage() -> Stage:
    """Makes the first partition's content as far as it is no secret: appliance.yaml is not in it yet."""
    return Stage("bootfs", Makes.FILES, ("index", "inspect"), {}, _make, CODE, sees_root=True)


def _make(work: Work) -> None:
    about, file = layout.of(work.results), work.result / FILE
    with work.root() as root:
        fat.make(
            file,
            root / about.boot_mount,
            sectors=about.boot_sectors,
            label=about.boot_label,
            volume_id=about.boot_volume_id,
            cluster_sectors=about.boot_cluster_sectors,
            epoch=epoch(work.recipe, work.results),
            without=OURS,
        )
    pieces.write(pieces.region(file).pieces, work.result / PIECES)
