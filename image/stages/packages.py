"""Installs the profile's packages: resolved, downloaded and unpacked natively, configured inside."""

from __future__ import annotations

from appliance.errors import PermanentError
from image.cache.code import code_of
from image.debian import dpkg, dpkg_status
from image.debian.packages import PROFILES
from image.inside import tidy
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import native
from image.stages.index import packages_from

CODE = code_of(__file__)


def stage(recipe: Recipe) -> Stage:
    """Adds packages to the base."""
    inputs = {"packages": PROFILES[recipe.profile]}
    return Stage("packages", Makes.ROOT, ("index", native.NAME), inputs, _make, CODE)


def _make(work: Work) -> None:
    status = work.result / "var/lib/dpkg/status"
    files = packages_from(work, status).download(PROFILES[work.recipe.profile])
    if files:
        with native.entered(work) as inside:
            dpkg.unpack(files, inside)
            dpkg.configure(inside)
    tidy.tidy(work.result)
    if unfinished := dpkg_status.unfinished(status.read_text()):
        raise PermanentError(f"these packages are installed only halfway: {', '.join(unfinished)}")
