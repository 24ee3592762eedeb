"""Copies our static files into the image: overlays/base, the base's own, and the profile's."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from appliance.errors import PermanentError
from image.recipe import DEBIAN, PROJECT, Recipe
from image.stage import Makes, Stage, Work, code_of
from image.store import digest_of_files


def stage(recipe: Recipe) -> Stage:
    """Adds the static files."""
    inputs = {tree.name: digest_of_files(tree) for tree in trees(recipe)}
    return Stage("overlay", Makes.ROOT, (), inputs, _make, code_of(__file__))


def trees(recipe: Recipe) -> list[Path]:
    """The folders whose content is copied, in that order."""
    names = ["debian"] if recipe.base == DEBIAN else []
    return [PROJECT / "overlays" / name for name in (*names, "base", recipe.profile)]


def _make(work: Work) -> None:
    for tree in trees(work.recipe):
        for source in sorted(tree.rglob("*")):
            _copy(source, work.result, source.relative_to(tree))


def _copy(source: Path, root: Path, name: Path) -> None:
    """One file, folder or symbolic link: owned by root, mode 755 or 644 as git keeps it."""
    target = _inside(root, name.parent) / name.name
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_dir():
        if not target.is_dir():
            target.mkdir(mode=0o755)
            target.chmod(0o755)
    else:
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


def _inside(root: Path, folder: Path) -> Path:
    """`folder` of the image, its symbolic links (/lib, /bin) followed inside the image and nowhere else."""
    here = root
    for part in folder.parts:
        here = here / part
        if here.is_symlink():
            link = here.readlink()
            here = root / link.relative_to("/") if link.is_absolute() else here.parent / link
        if not here.resolve().is_relative_to(root.resolve()):
            raise PermanentError(f"{folder} leads out of the image")
    return here
