"""Writes the list of the image's packages: a line each, with name, version and architecture."""

from __future__ import annotations

from pathlib import Path

from image import output
from image.cache.code import code_of
from image.debian import installed
from image.recipe import Recipe
from image.stage import Makes, Stage, Work

CODE = code_of(__file__)


def stage() -> Stage:
    """Makes the .packages.txt."""
    return Stage("package_list", Makes.OUTPUT, (), {}, _make, CODE, sees_root=True)


def names(recipe: Recipe) -> set[str]:
    """The names of the packages in the list that was made."""
    return {line.split()[0] for line in recipe.package_list.read_text().splitlines()}


def _make(work: Work) -> list[Path]:
    with work.root() as root:
        packages = installed.installed((root / installed.STATUS).read_text())
    with output.written(work.recipe.package_list) as temporary:
        temporary.write_text("".join(f"{one.name} {one.version} {one.architecture}\n" for one in packages))
    return [work.recipe.package_list]
