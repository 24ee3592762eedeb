"""Puts appliance.yaml and its schema on the FAT partition."""

from __future__ import annotations

import json
import os

from appliance import schema
from image.cache.code import code_of
from image.cache.store import Store
from image.disk import fat, partitions
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import bootfs
from image.stages.index import epoch

CODE = code_of(__file__)

FILE = bootfs.FILE


def stage(recipe: Recipe, store: Store) -> Stage:
    """Makes the first partition's content."""
    inputs = {"config": store.sealed(recipe.config), "schema": schema.document()}
    return Stage("boot", Makes.SCRATCH, ("index", "inspect", "bootfs"), inputs, _make, CODE)


def _make(work: Work) -> None:
    now, made = epoch(work.recipe, work.results), work.result / FILE
    partitions.copy(work.results["bootfs"] / bootfs.FILE, made)
    files = []
    for name, content in {bootfs.CONFIG: work.recipe.config, bootfs.SCHEMA: _schema()}.items():
        files.append(work.result / name)
        files[-1].write_bytes(content)
        os.utime(files[-1], (now, now))
    fat.add(made, files, epoch=now)


def _schema() -> bytes:
    return (json.dumps(schema.document(), indent=2) + "\n").encode()
