"""Makes the tool root: native programs of the image's Debian release, which do the work while packages are configured.

Not made, and so not in the key of anything, for `--no-accelerate` and where this machine runs the image's programs
itself: the image's own programs then do everything, and the stages are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from image.cache.code import code_of
from image.cache.store import digest_of_files
from image.debian import apt, native_tools, sources, tool_root
from image.debian.tool_root import ToolRoot
from image.disk import layout
from image.inside import chroot, emulation
from image.inside.chroot import Chroot
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import index

CODE = code_of(__file__)

NAME = "native"


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The stage, if there is one."""
    machine = tool_root.host()
    if machine is None or not recipe.accelerate or emulation.is_native(recipe.kind.machine):
        return ()
    inputs = {"host": machine.debian, "mirror": recipe.mirror}
    # The image's package lists stand for the release's state: the tools are renewed with them.
    return (Stage(NAME, Makes.FILES, ("index", "inspect"), inputs, _make, CODE, tells_digest=True),)


@contextmanager
def entered(work: Work) -> Iterator[Chroot]:
    """The root file system that a stage works on, with the tools for it; nothing that runs knows today's date."""
    now = str(index.epoch(work.recipe, work.results))
    environment = {**work.recipe.kind.environment, "SOURCE_DATE_EPOCH": now}
    with chroot.entered(work.result, work.log, environment, _of(work)) as inside:
        yield inside


def _of(work: Work) -> ToolRoot | None:
    machine = tool_root.host()
    return ToolRoot(work.results[NAME], machine) if machine and NAME in work.results else None


def _make(work: Work) -> str:
    machine = tool_root.host()
    assert machine is not None  # else there is no such stage
    recipe, release = work.recipe, layout.of(work.results).release
    with work.store.workplace() as place:
        listed, status = place / "etc/apt/sources.list.d", place / "status"
        listed.mkdir(parents=True)
        (listed / index.SOURCES).write_text(sources.deb822(index.chosen_sources(recipe, release)))
        status.touch()
        debian = apt.Apt(place, work.store.archives, status, (machine.debian,), work.log, work.events.progress)
        for suite in debian.update():
            work.events.note(f"{suite} is left out for the native tools: its package lists do not fit its Release file")
        packages = debian.download([*native_tools.PACKAGES, *native_tools.PACKAGES_OF[release]])
    architecture = (work.results["index"] / index.ARCHITECTURE).read_text().strip()
    tool_root.make(work.result, packages, machine, architecture)
    return digest_of_files(*packages)
