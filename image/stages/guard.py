"""Refuses what the processor of an ARMv6 board cannot run: the kernel would only say `Illegal instruction`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from image.cache.code import code_of
from image.inside import elf
from image.stage import Makes, Stage, Work
from image.stages import index

CODE = code_of(__file__)

FLOATS = {"armel": elf.Floats.SOFT, "armhf": elf.Floats.HARD}
"""How each architecture, as Debian calls it, passes floating-point arguments."""

NOT_LINUXS = ("boot", "lib/firmware", "lib/modules", "usr/lib/firmware", "usr/lib/modules", "usr/lib/raspi-firmware")
"""Folders of other processors' programs, and of kernels, which are for one board each."""
CHOSEN_AT_RUN_TIME = "glibc-hwcaps"
"""Folders of libraries of which ld.so(8) takes what the processor can run."""
SHOWN = 10


@dataclass(frozen=True)
class Misfit:
    """A file that cannot run."""

    path: str
    """In the image, absolute."""
    why: str
    package: str
    """Empty if none has it."""

    def __str__(self) -> str:
        return f"{self.path} ({f'package {self.package}' if self.package else 'of no package'}): {self.why}"


def stage() -> Stage:
    """Looks at everything that is in the root file system."""
    return Stage("guard", Makes.FILES, ("index",), {}, _make, CODE, sees_root=True)


def _make(work: Work) -> None:
    architecture = (work.results["index"] / index.ARCHITECTURE).read_text().strip()
    with work.root() as root:
        check(root, FLOATS[architecture])


def check(root: Path, floats: elf.Floats) -> None:
    """Raise InputError if an ELF file in a root file system cannot run on ARMv6, naming files and their packages."""
    wrong = misfits(root, floats)
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        listed = "".join(f"\n  {line}" for line in [*map(str, wrong[:SHOWN]), *more])
        raise InputError(
            f"this image is for a board whose processor (ARMv6) cannot run what is in it:{listed}",
            hint="Debian's armhf and arm64 packages need a newer one; take armel's on `debian`, Raspbian's on Raspbian",
        )


def misfits(root: Path, floats: elf.Floats) -> list[Misfit]:
    """What cannot run, sorted by path."""
    reasons = {path: why for path in _files(root) if (why := _why_not(path, floats))}
    owners = _owners(root, {_merged(path, root) for path in reasons}) if reasons else {}
    return [
        Misfit(f"/{path.relative_to(root)}", reasons[path], owners.get(_merged(path, root), ""))
        for path in sorted(reasons)
    ]


def _files(root: Path) -> Iterator[Path]:
    skipped = {root / folder for folder in NOT_LINUXS}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in skipped and name != CHOSEN_AT_RUN_TIME]
        yield from (path for name in files if not (path := here / name).is_symlink() and path.is_file())


def _why_not(path: Path, floats: elf.Floats) -> str:
    with path.open("rb") as file:
        if file.read(len(elf.MAGIC)) != elf.MAGIC:
            return ""
        return elf.not_for_armv6(file, path.name, floats)


def _merged(path: Path, root: Path) -> str:
    """A file's name as packages may have it or not: /lib is /usr/lib on every system that we know."""
    return str(path.relative_to(root)).removeprefix("usr/")


def _owners(root: Path, wanted: set[str]) -> dict[str, str]:
    """The packages that have these files, by dpkg's own lists of them."""
    found = {}
    for names in (root / "var/lib/dpkg/info").glob("*.list"):
        for line in names.read_text(errors="surrogateescape").splitlines():
            if (name := line.removeprefix("/").removeprefix("usr/")) in wanted:
                found[name] = names.name.removesuffix(".list")
    return found
