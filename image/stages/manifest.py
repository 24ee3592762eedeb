"""Writes what Raspberry Pi Imager wants to know of the image.

The format is Imager's list of systems (doc/json-schema/os-list-schema.json in its sources, and doc/schema-notes.md;
that of its version 2, which publishes it as os_list_imagingutility_v4.json).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from image import boards, output
from image.boards import BOARDS
from image.cache.code import code_of
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import assemble, package_list
from image.stages.index import epoch

CODE = code_of(__file__)

TAGS = {"zero": "pi1-32bit", "zero2": "pi3-64bit", "3": "pi3-64bit", "4": "pi4-64bit", "5": "pi5-64bit"}
"""What Imager's own list calls our boards, by their processors."""
ARCHITECTURES = {"arm64": "armv8", "armv6": "armv6"}

INIT_FORMATS = {"cloud-init": "cloudinit-rpi", "raspberrypi-sys-mods": "systemd"}
"""The package that reads, on the first boot, what Imager's customisation wrote: and how that must be written then.

The first that is installed counts: Raspberry Pi OS trixie has both. On an image without them nobody would read it, or
worse: Debian's systemd would run Imager's script for another system, because cmdline.txt says so.
"""
UNCUSTOMISED = "none"

PREFERRED = (".img.xz", ".img.zst", ".img")
"""Which of the files Imager is given: not all of its versions can write .zst on all systems."""


def stage(recipe: Recipe) -> Stage:
    """Makes the .rpi-imager-manifest."""
    inputs = {"kind": recipe.kind.name, "boards": boards.served(recipe.kind, recipe.base), "profile": recipe.profile}
    needs = ("index", "inspect", "bootfs", "rootfs", "boot", "assemble", "package_list")
    return Stage("manifest", Makes.OUTPUT, needs, inputs, _make, CODE)


def _make(work: Work) -> list[Path]:
    recipe = work.recipe
    devices = [_device(name) for name in boards.served(recipe.kind, recipe.base)]
    document = {"imager": {"devices": devices}, "os_list": [_system(work)]}
    with output.written(recipe.manifest, private=True) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n")
    return [recipe.manifest]


def _system(work: Work) -> dict[str, object]:
    recipe, digests = work.recipe, digests_of(work.recipe)
    offered = recipe.output / next(name for suffix in PREFERRED for name in digests if name.endswith(suffix))
    size, digest = _unpacked(work, digests)
    served = boards.served(recipe.kind, recipe.base)
    models = ", ".join(BOARDS[name].models for name in served)
    return {
        "name": f"Appliance: {recipe.profile} ({recipe.kind.name})",
        "description": f"For Raspberry Pi {models}. Its settings are in appliance.yaml on the card",
        "icon": "",
        "url": offered.absolute().as_uri(),
        "extract_size": size,
        "extract_sha256": digest,
        "image_download_size": offered.stat().st_size,
        "image_download_sha256": digests[offered.name],
        "release_date": datetime.fromtimestamp(epoch(recipe, work.results), UTC).date().isoformat(),
        "init_format": init_format(package_list.names(recipe)),
        "devices": list(dict.fromkeys(TAGS[name] for name in served)),
        "architecture": ARCHITECTURES[recipe.kind.name],
    }


def _unpacked(work: Work, digests: Mapping[str, str]) -> tuple[int, str]:
    """How large the image is that is not compressed, and its SHA-256."""
    image = assemble.regions(work)
    return sum(region.size for region in image), digests.get(work.recipe.image.name) or assemble.unpacked(image)


def init_format(packages: set[str]) -> str:
    """How Imager's customisation is to be written for an image with these packages."""
    return next((name for package, name in INIT_FORMATS.items() if package in packages), UNCUSTOMISED)


def digests_of(recipe: Recipe) -> Mapping[str, str]:
    """The SHA-256 of each file in the list of checksums."""
    return {name: digest for digest, name in (line.split() for line in recipe.checksums.read_text().splitlines())}


def _device(board: str) -> dict[str, object]:
    """A board to choose in Imager, which offers what has one of its tags; without one it offers nothing."""
    models = f"Raspberry Pi {BOARDS[board].models}"
    return {
        "name": models,
        "description": models,
        "icon": "",
        "tags": [TAGS[board]],
        "matching_type": "exclusive",
        "architecture": ARCHITECTURES[BOARDS[board].kind.name],
    }
