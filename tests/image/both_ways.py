"""The same work done by native tools and emulated, for comparing and for timing.

A root file system is made or changed in a folder of its own: nothing of it is kept in the store.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from image.build import make
from image.cache.code import code_of
from image.cache.keys import Keys
from image.cache.store import Store
from image.disk import layout
from image.events import Events
from image.inside import emulation
from image.recipe import SUITE, Recipe
from image.stage import BESIDE, Makes, Stage, Work
from image.stages import index, native

CODE = code_of(__file__)


def foundations(recipe: Recipe, store: Store, events: Events, release: str = SUITE) -> dict[str, Path]:
    """Package lists and, unless everything is to be emulated, native tools: from the store, or made for it."""

    def plan(recipe: Recipe, _store: Store) -> Sequence[Stage]:
        others = (inspected(release),) if release != SUITE else ()
        return (index.for_debian(recipe), *others, *native.stages(recipe))

    make(plan, recipe, store, events)
    keys = Keys(plan(recipe, store), recipe, store)
    return {name: store.tree(keys.key(name) or "") for name in keys.stages}


def inspected(release: str) -> Stage:
    """What is found out of a base of another release than that of the `debian` base."""

    def make(work: Work) -> None:
        layout.write(replace(layout.DEBIAN, release=release), work.result)

    return Stage("inspect", Makes.FILES, (), {"release": release}, make, CODE)


def run_stages(
    stages: Sequence[Stage], recipe: Recipe, store: Store, *, results: dict[str, Path], root: Path, place: Path
) -> dict[str, float]:
    """Run stages one after the other on `root`, inside namespaces; returns how many seconds each took."""
    emulation.enable(recipe.kind.machine)
    took = {}
    for stage in stages:
        (place / BESIDE).mkdir(exist_ok=True)
        began = time.monotonic()
        log = place / f"{stage.name}.log"
        stage.make(Work(recipe, store, Events(), log, root, place / BESIDE, results, ()))
        took[stage.name] = time.monotonic() - began
    return took


def emulated(recipe: Recipe) -> Recipe:
    """The same image, the slow way."""
    return replace(recipe, accelerate=False)
