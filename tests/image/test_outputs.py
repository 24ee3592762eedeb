"""The files in the output folder, made by the real last stages out of a small base."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from image import layout, partitions
from image.events import Events
from image.layout import SECTOR_BYTES
from image.recipe import Recipe
from image.stage import Work
from image.stages import assemble, boot, compress, inspect, rootfs
from image.store import Store
from tests.image.raspberry import TRIXIE

pytestmark = pytest.mark.programs


@pytest.fixture
def work(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> Work:
    """What `assemble` finds: the layout, and both partitions' content."""
    TRIXIE.make(tmp_path)
    results = {name: tmp_path / name for name in ("inspect", "boot-made", "rootfs-made")}
    for folder in results.values():
        folder.mkdir(exist_ok=True)
    layout.write(TRIXIE.layout, results["inspect"])
    (tmp_path / "p1").rename(results["boot-made"] / boot.FILE)
    (tmp_path / "p2").rename(results["rootfs-made"] / rootfs.FILE)
    results = {name.removesuffix("-made"): folder for name, folder in results.items()}
    place = tmp_path / "place"
    place.mkdir()
    return Work(recipe(), store, Events(io.StringIO()), tmp_path / "log", place, place, results, ())


def test_what_may_hold_a_passphrase_is_for_its_owner_alone(work: Work) -> None:
    assemble.stage().make(work)
    compress.stage().make(work)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in work.recipe.output.iterdir()}
    image = work.recipe.image.name
    assert modes[image] == modes[f"{image}.zst"] == 0o600


def test_a_new_image_is_never_beside_the_checksums_of_the_old_one(work: Work) -> None:
    assemble.stage().make(work)
    compress.stage().make(work)
    assemble.stage().make(work)
    assert list(work.recipe.output.iterdir()) == [work.recipe.image]


def test_when_the_image_cannot_be_made_the_old_files_stay_together(work: Work) -> None:
    assemble.stage().make(work)
    compress.stage().make(work)
    before = sorted(work.recipe.output.iterdir())
    (work.results["boot"] / boot.FILE).unlink()
    with pytest.raises(FileNotFoundError):
        assemble.stage().make(work)
    assert sorted(work.recipe.output.iterdir()) == before


@pytest.mark.parametrize("base_bytes", [100 << 20, 900 << 20, (900 << 20) + 512])
def test_the_root_partition_of_a_base_never_shrinks(base_bytes: int, work: Work, tmp_path: Path) -> None:
    (work.results["inspect"] / inspect.ROOT_BYTES).write_text(f"{base_bytes}\n")
    size, inodes = rootfs.size(work, tmp_path / "tree")
    plain, _ = rootfs.size(replace(work, results={}), tmp_path / "tree")
    assert size == max(plain, -(-base_bytes // 4096) * 4096)
    assert inodes >= size // 16384


def test_the_size_of_a_bases_root_partition_is_noted(work: Work, tmp_path: Path) -> None:
    image, folder = tmp_path / "raspios.img", tmp_path / "fetch"
    folder.mkdir()
    (folder / "base").symlink_to(image)
    inspect.stage(work.recipe).make(replace(work, results={"fetch": folder}))
    noted = int((work.result / inspect.ROOT_BYTES).read_text())
    assert noted == partitions.read_table(image).root_sectors * SECTOR_BYTES
