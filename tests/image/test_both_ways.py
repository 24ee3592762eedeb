"""The proof that native tools change nothing: the same work done with them and emulated, compared name by name.

Nothing is exempt. What a log says of the time does not get into an image (`image/inside/tidy.py`), and what else would
ask for the time is told the package lists' (SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from image.build import stages
from image.cache.keys import Keys
from image.cache.store import Key, Store
from image.cli.build import default_cache
from image.events import Events
from image.inside import namespaces
from image.recipe import SUITE, Recipe
from image.stage import Stage, layered
from image.stages import bootstrap, daemon, index, overlay, packages
from tests.figures import Figure
from tests.image.both_ways import emulated, foundations, run_stages
from tests.image.sameness import differences

pytestmark = pytest.mark.build

Plan = Callable[[Recipe], Sequence[Stage]]

WHOLE_BASE = "APPLIANCE_WHOLE_BASE"
"""In the environment: compare whole bases as well, which are then made emulated too. Each takes 10 minutes and more."""


def customise(recipe: Recipe) -> Sequence[Stage]:
    return packages.stage(recipe), overlay.stage(recipe), daemon.stage()


def make_all(recipe: Recipe) -> Sequence[Stage]:
    return bootstrap.stage(recipe), *customise(recipe)


def compare(
    recipe: Recipe, base: Sequence[Key], plan: Plan, figure: Figure, folder: Path, *, release: str = SUITE
) -> list[str]:
    """Run the plan's stages on a base both ways, and return what differs."""
    store, found = Store(default_cache()), folder / "found.json"
    ways = {"native": recipe, "emulated": emulated(recipe)}
    results = {name: foundations(way, store, Events(), release) for name, way in ways.items()}
    assert [name for name in ways if "native" in results[name]] == ["native"]

    def both() -> None:
        with store.workplace() as one, store.workplace() as other:
            with layered(store, base, one) as left, layered(store, base, other) as right:
                took = {
                    name: run_stages(plan(way), way, store, results=results[name], root=root, place=place)
                    for (name, way), root, place in zip(ways.items(), (left, right), (one, other), strict=True)
                }
                lines = differences(left, right, index.epoch(recipe, results["native"]))
            found.write_text(json.dumps({"took": took, "lines": lines}))

    with store.locked(lambda: None):
        namespaces.inside(both)
    told = json.loads(found.read_text())
    for way, took in told["took"].items():
        figure(f"{way}: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in took.items()))
    lines: list[str] = told["lines"]
    return lines


def base_of(recipe: Recipe) -> list[Key]:
    keys = Keys(stages(recipe, Store(default_cache())), recipe, Store(default_cache()))
    return keys.roots("packages")


def test_customising_a_base_is_the_same(gateway_image: Path, figure: Figure, tmp_path: Path) -> None:
    """With the gadget's packages, which are the gateway's and more."""
    recipe = Recipe(config=b"", profile="gadget")
    assert compare(recipe, base_of(recipe), customise, figure, tmp_path) == []


def test_customising_a_base_of_the_zero_is_the_same(zero_image: Path, figure: Figure, tmp_path: Path) -> None:
    recipe = Recipe(config=b"", profile="gadget", board="zero")
    assert compare(recipe, base_of(recipe), customise, figure, tmp_path) == []


@pytest.mark.skipif(WHOLE_BASE not in os.environ, reason=f"takes 10 minutes: set {WHOLE_BASE}")
@pytest.mark.parametrize(("board", "release"), [("4", "trixie"), ("4", "bookworm"), ("zero", "trixie")])
def test_a_whole_base_is_the_same(
    board: str, release: str, figure: Figure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of bookworm as well, which an image of Raspberry Pi OS may be of."""
    monkeypatch.setattr(index, "SUITE", release)
    recipe = Recipe(config=b"", profile="gadget", board=board)
    assert compare(recipe, [], make_all, figure, tmp_path, release=release) == []
