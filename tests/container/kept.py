"""A cache for a builder in a container: with what is slow to make, so that only the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from image.build import stages
from image.cache.keys import Keys
from image.cache.store import TAG, Store
from image.recipe import Recipe
from image.run import run


def copied(store: Store, recipe: Recipe, names: Sequence[str], to: Path) -> None:
    """Another cache in the folder `to`, with the results of these stages and what was downloaded, by hard links.

    They are made already. Nothing of a result is ever changed, so neither cache notices the other.
    """
    keys = Keys(stages(recipe, store), recipe, store)
    (to / "layers").mkdir(parents=True)
    linked = ["cp", "--archive", "--link"]
    run([*linked, *(store.layers / (keys.key(name) or "") for name in names), to / "layers"])
    run([*linked, store.archives, store.folder / "apt", store.folder / TAG, to])
