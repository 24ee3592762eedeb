"""Copies our static files into the image: overlays/base, the base's own, and the profile's.

Debian's text about its warranty (/etc/motd) becomes empty, and stays so: base-files writes it once.
"""

from __future__ import annotations

import shutil
import stat
from functools import partial
from pathlib import Path

from appliance.errors import PermanentError
from image.boards import DEBIAN
from image.cache.code import code_of
from image.cache.store import digest_of_files
from image.recipe import PROJECT, Recipe
from image.stage import Makes, Stage, Work

CODE = code_of(__file__)


def stage(recipe: Recipe) -> Stage:
    """Adds the static files."""
    reads = partial(_reads, recipe)
    return Stage("overlay", Makes.ROOT, (), {}, _make, CODE, reads=reads)


def trees(recipe: Recipe) -> list[Path]:
    """The folders whose content is copied, in that order."""
    names = ["debian"] if recipe.base == DEBIAN else []
    return [PROJECT / "overlays" / name for name in (*names, "base", recipe.profile)]


def _reads(recipe: Recipe) -> dict[str, str]:
    return {tree.name: digest_of_files(tree) for tree in trees(recipe)}


def copy_tree(tree: Path, root: Path) -> None:
    """Copy everything in `tree` into the root file system `root`."""
    for source in sorted(tree.rglob("*")):
        _copy(source, root, source.relative_to(tree))


def _make(work: Work) -> None:
    for tree in trees(work.recipe):
        copy_tree(tree, work.result)
    silence_motd(work.result)


def silence_motd(root: Path) -> None:
    """Have pam_motd(8) run none of the base's scripts: whoever logs in is greeted with the state alone.

    A script that is not executable is passed over, and dpkg keeps a conffile's mode when its package is upgraded.
    """
    for script in (root / "etc/update-motd.d").glob("*"):
        if script.is_file() and not script.is_symlink():
            script.chmod(0o644)


def _copy(source: Path, root: Path, name: Path) -> None:
    """One file, folder or symbolic link: owned by root, mode 755 or 644 as git keeps it."""
    if source.is_dir() and not source.is_symlink():
        folder = _inside(root, name)
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)
        return
    target = _inside(root, name.parent) / name.name
    target.unlink(missing_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    else:
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
