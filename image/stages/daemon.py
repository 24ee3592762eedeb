"""Installs what runs on the device, the Python packages `appliance` and `firstboot`, compiled and documented."""

from __future__ import annotations

import shutil
from pathlib import Path

from image import documents
from image.cache.code import code_of
from image.cache.store import digest_of_files
from image.debian import fstab
from image.disk import layout
from image.recipe import PROJECT
from image.stage import Makes, Stage, Work
from image.stages import native

CODE = code_of(__file__)

LIBRARY = "usr/lib/appliance"
PACKAGES = ("appliance", "firstboot")


def stage() -> Stage:
    """Adds the daemon."""
    needs = ("index", "inspect", native.NAME)
    return Stage("daemon", Makes.ROOT, needs, {}, _make, CODE, reads=_reads)


def sources() -> list[Path]:
    """The files that go into the image, sorted, relative to the project."""
    found = [file for package in PACKAGES for file in (PROJECT / package).rglob("*.py")]
    found += [file for file in (PROJECT / "firstboot/templates").rglob("*") if file.is_file()]
    return sorted(file.relative_to(PROJECT) for file in found if "__pycache__" not in file.parts)


def _reads() -> dict[str, str]:
    return {str(file): digest_of_files(PROJECT / file) for file in (*sources(), *documents.sources())}


def _make(work: Work) -> None:
    for name in sources():
        target = work.result / LIBRARY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, target)
        target.chmod(0o644)
    for document, content in documents.contents(documents.wanted_in(work.result)).items():
        target = work.result / document
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o644)
    with native.entered(work) as inside, inside.lent():
        # By content and never checked: the files' times are not real ones, and nobody edits them in place.
        inside.run("python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", f"/{LIBRARY}")
    mount = layout.of(work.results).boot_mount
    table = work.result / "etc/fstab"
    table.write_text(fstab.private(table.read_text(), f"/{mount}"))
    if mount == "boot/firmware":
        link = work.result / "boot/appliance.yaml"
        link.unlink(missing_ok=True)
        link.symlink_to("firmware/appliance.yaml")
