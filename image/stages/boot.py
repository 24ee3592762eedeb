"""Makes the FAT partition: what the base has on it, and appliance.yaml with its schema."""

from __future__ import annotations

import json
import os

from appliance import schema
from image import fat, layout
from image.recipe import Recipe
from image.stage import Makes, Stage, Work, code_of
from image.stages.index import epoch
from image.store import Store

FILE = "bootfs.fat"
CONFIG = "appliance.yaml"
SCHEMA = "appliance.schema.json"
"""Beside the configuration, where editors look for it: the file's first line names it."""


def stage(recipe: Recipe, store: Store) -> Stage:
    """Makes the first partition's content."""
    inputs = {"config": store.sealed(recipe.config), "schema": schema.document()}
    code = code_of(__file__, fat, layout)
    return Stage("boot", Makes.SCRATCH, ("index", "inspect"), inputs, _make, code, sees_root=True)


def _make(work: Work) -> None:
    about, now = layout.of(work.results), epoch(work.recipe, work.results)
    with work.root() as root:
        files = root / about.boot_mount
        for name, content in {CONFIG: work.recipe.config, SCHEMA: _schema()}.items():
            (files / name).write_bytes(content)
            os.utime(files / name, (now, now))
        fat.make(
            work.result / FILE,
            files,
            sectors=about.boot_sectors,
            label=about.boot_label,
            volume_id=about.boot_volume_id,
            cluster_sectors=about.boot_cluster_sectors,
            epoch=now,
        )


def _schema() -> bytes:
    return (json.dumps(schema.document(), indent=2) + "\n").encode()
