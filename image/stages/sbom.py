"""Writes the image's software bill of materials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from image import output, spdx
from image.cache.code import code_of
from image.debian import copyright, installed
from image.debian.installed import Package
from image.stage import Makes, Stage, Work
from image.stages.index import epoch

CODE = code_of(__file__)


def stage() -> Stage:
    """Makes the .spdx.json."""
    return Stage("sbom", Makes.OUTPUT, ("index",), {}, _make, CODE, sees_root=True)


def _make(work: Work) -> list[Path]:
    with work.root() as root:
        packages = installed.installed((root / installed.STATUS).read_text())
        about = (root / "usr/lib/os-release").read_text()
        declared = licences(root, packages)
    fields = {name: value.strip('"') for name, _, value in (line.partition("=") for line in about.splitlines())}
    bill = spdx.Bill(
        name=work.recipe.image.stem,
        system=fields["ID"],
        release=fields["VERSION_CODENAME"],
        packages=packages,
        archives=installed.archives((work.results["index"] / "lists").glob("*_Packages"), packages),
        licences=declared,
        epoch=epoch(work.recipe, work.results),
    )
    with output.written(work.recipe.sbom) as temporary:
        temporary.write_text(spdx.document(bill))
    return [work.recipe.sbom]


def licences(root: Path, packages: Iterable[Package]) -> Mapping[str, str]:
    """The licences that packages in the root file system declare, of those that can be told."""
    found = {}
    for package in packages:
        file = (root / "usr/share/doc" / package.name / "copyright").resolve()
        # A folder may be a link to another package's; one that leads out of the image leads to the host's.
        if file.is_relative_to(root.resolve()) and file.is_file():
            expression = copyright.declared(file.read_text(errors="replace"))
            if expression is not None:
                found[package.name] = expression
    return found
