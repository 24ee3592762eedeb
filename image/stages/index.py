"""Fetches the package lists: what there is to install, as of now."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path

from image.cache.code import code_of
from image.debian import apt, dpkg_status, sources
from image.inside.mounts import bound
from image.recipe import SUITE, Recipe
from image.stage import Makes, Stage, Work

CODE = code_of(__file__)

KEYRINGS = Path("/usr/share/keyrings")
SOURCES = "debian.sources"
"""What a `debian` image is configured for."""
ARCHITECTURE = "architecture"
"""The one that the lists are of, as Debian calls it."""


def for_debian(recipe: Recipe) -> Stage:
    """The lists of the archive that a `debian` base is made from."""
    inputs = {"sources": sources.deb822(chosen_sources(recipe, SUITE)), "architecture": recipe.kind.debian}
    return Stage("index", Makes.FILES, (), inputs, _make_debian, CODE, tells_digest=True)


def for_image() -> Stage:
    """The lists of the archives that an existing image is configured for, checked with its own keys."""
    return Stage("index", Makes.FILES, (), {}, _make_of_image, CODE, sees_root=True, tells_digest=True)


def chosen_sources(recipe: Recipe, release: str) -> tuple[sources.Source, ...]:
    """Where Debian's packages come from: the mirror that was given, or the host's."""
    if recipe.mirror:
        return (sources.Source(recipe.mirror.rstrip("/"), (release, f"{release}-updates")),)
    return sources.host_sources(release)


def packages_from(work: Work, status: Path) -> apt.Apt:
    """apt on the lists that this stage fetched."""
    folder = work.results["index"]
    architecture = (folder / ARCHITECTURE).read_text().strip()
    return apt.Apt(folder, work.store.archives, status, (architecture,), work.log, work.events.progress)


def epoch(recipe: Recipe, results: Mapping[str, Path]) -> int:
    """No file that the build makes is newer: SOURCE_DATE_EPOCH, or when the newest of the lists was made."""
    return recipe.epoch if recipe.epoch is not None else int((results["index"] / "date").read_text())


def _make_debian(work: Work) -> str:
    folder = work.result / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (work.result / SOURCES).write_text(sources.deb822(chosen_sources(work.recipe, SUITE)))
    shutil.copy(work.result / SOURCES, folder)
    if work.recipe.mirror:
        work.events.note("with --mirror, the image has no archive of security updates configured")
    return _update(work, (work.recipe.kind.debian,))


def _make_of_image(work: Work) -> str:
    with work.root() as root, ExitStack() as stack:
        shutil.copytree(root / "etc/apt", work.result / "etc/apt", symlinks=True)
        known = root / "var/lib/dpkg/arch"
        foreign = known.read_text().split() if known.exists() else []
        # Sources name their keys by paths that are meant inside the image.
        for folder in (KEYRINGS, Path("/etc/apt/keyrings")):
            if (root / folder.relative_to("/")).is_dir() and folder.is_dir():
                stack.enter_context(bound(root / folder.relative_to("/"), folder))
        own = dpkg_status.architecture((root / "var/lib/dpkg/status").read_text())
        return _update(work, tuple(dict.fromkeys([own, *foreign])))


def _update(work: Work, architectures: tuple[str, ...]) -> str:
    status = work.result / "no-status"
    status.touch()
    (work.result / ARCHITECTURE).write_text(f"{architectures[0]}\n")
    for suite in apt.Apt(work.result, work.store.archives, status, architectures, work.log).update():
        work.events.note(
            f"{suite} is left out: its package lists do not fit its signed Release file, because the mirror is being "
            "updated or is out of date; --refresh tries again, and the Pi's own apt will"
        )
    lists = sorted((work.result / "lists").glob("*Release"))
    dates = [
        int(parsedate_to_datetime(line.removeprefix("Date: ")).timestamp())
        for file in lists
        for line in file.read_text().splitlines()
        if line.startswith("Date: ")
    ]
    (work.result / "date").write_text(f"{max(dates, default=0)}\n")
    return hashlib.sha256(b"".join(file.read_bytes() for file in lists)).hexdigest()
