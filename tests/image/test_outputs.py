"""The files in the output folder, made by the real last stages out of a small base."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath
from xml.etree import ElementTree

import pytest
import zstandard

from appliance.errors import PermanentError
from image.cache.store import Entry, Store
from image.disk import ext4, frames, layout, partitions, pieces
from image.disk.layout import SECTOR_BYTES
from image.events import Events
from image.recipe import IMG, Recipe
from image.run import run
from image.stage import Makes, Work
from image.stages import assemble, boot, bootfs, compress, fetch, inspect, rootfs
from tests.image.raspberry import TRIXIE

pytestmark = pytest.mark.programs

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

CONFIG = b"profile: gateway # correct horse battery staple\n"


class Built:
    """The last stages, on the partitions of a small base."""

    def __init__(self, work: Work, store: Store) -> None:
        self.work = work
        self.store = store

    def make(self, **changes: object) -> dict[str, bytes]:
        """Run them; gives what is in the output folder."""
        recipe = replace(self.work.recipe, **changes)  # type: ignore[arg-type]
        results = dict(self.work.results)
        steps = [compress.stage(ending) for ending in recipe.formats if ending != IMG]
        for step in (*steps, boot.stage(recipe, self.store), assemble.stage(recipe)):
            with self.store.workplace() as place:
                folder = place / "tree"
                folder.mkdir()
                step.make(replace(self.work, recipe=recipe, result=folder, results=results))
                if step.makes is Makes.SCRATCH:
                    results[step.name] = self.work.beside / step.name
                    shutil.rmtree(results[step.name], ignore_errors=True)
                    folder.rename(results[step.name])
                elif step.makes is Makes.FILES:
                    key = hashlib.sha256(os.urandom(8)).hexdigest()[:32]
                    self.store.keep(place, Entry(step.name, key, key, 1.0))
                    results[step.name] = self.store.tree(key)
        return {file.name: file.read_bytes() for file in recipe.output.iterdir()}


@pytest.fixture
def built(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> Built:
    TRIXIE.make(tmp_path)
    results = {name: tmp_path / f"{name}-made" for name in ("index", "inspect", "bootfs", "rootfs")}
    for folder in results.values():
        folder.mkdir()
    (results["index"] / "date").write_text("1700000000")
    layout.write(TRIXIE.layout, results["inspect"])
    for name, made, stage in (("p1", "bootfs", bootfs), ("p2", "rootfs", rootfs)):
        file = results[made] / stage.FILE
        (tmp_path / name).rename(file)
        free = ext4.free(file) if made == "rootfs" else []
        pieces.write(pieces.region(file, free=free).pieces, results[made] / stage.PIECES)
    beside = tmp_path / "beside"
    beside.mkdir()
    chosen = recipe(config=CONFIG, formats=("zst", "img"))
    return Built(Work(chosen, store, Events(io.StringIO()), tmp_path / "log", beside, beside, results, ()), store)


def test_what_may_hold_a_passphrase_is_for_its_owner_alone(built: Built) -> None:
    files = built.make(formats=("zst", "xz", "img"))
    assert {PurePath(name).suffix for name in files} == {".img", ".zst", ".xz", ".sha256", ".bmap"}
    assert [name for name in files if (built.work.recipe.output / name).stat().st_mode & 0o077] == []


def test_what_may_hold_a_passphrase_is_not_in_the_cache(built: Built) -> None:
    files = built.make()
    assert CONFIG in files["appliance-gateway-arm64.img"]
    for file in built.store.folder.rglob("*"):
        frame = file.read_bytes() if file.is_file() else b""
        if frame.startswith(ZSTD_MAGIC):
            assert CONFIG not in zstandard.decompress(frame)
    assert any(file.name == frames.INDEX for file in built.store.folder.rglob("*"))


@pytest.mark.parametrize(("ending", "program"), [("zst", "zstd"), ("xz", "xz")])
def test_ordinary_programs_unpack_it(ending: str, program: str, built: Built, tmp_path: Path) -> None:
    files = built.make(formats=(ending, "img"))
    name = f"appliance-gateway-arm64.img.{ending}"
    (tmp_path / name).write_bytes(files[name])
    run([program, "-q", "-t", tmp_path / name])
    run([program, "-q", "-d", "--keep", tmp_path / name])
    assert (tmp_path / name).with_suffix("").read_bytes() == files["appliance-gateway-arm64.img"]


def test_programs_that_flash_it_see_how_large_it_is(built: Built) -> None:
    """Raspberry Pi Imager adds up the sizes in all frames of a .zst, and of an .xz reads the last stream's index."""
    files = built.make(formats=("zst", "xz", "img"))
    size = len(files["appliance-gateway-arm64.img"])
    assert f"({size} B)" in run(["zstd", "-l", "-v", built.work.recipe.file("zst")])
    last = run(["xz", "--robot", "--list", built.work.recipe.file("xz")]).splitlines()[-1].split("\t")
    assert (last[0], last[1], last[4]) == ("totals", "1", str(size)), "one stream"
    assert int(last[2]) > 50, "of many blocks"


def test_the_checksums_are_of_what_is_there(built: Built) -> None:
    files = built.make(formats=("zst", "xz", "img"))
    lines = files["appliance-gateway-arm64.sha256"].decode().splitlines()
    assert {line.split()[1] for line in lines} == {name for name in files if ".img" in name}
    run(["sha256sum", "--check", "--strict", built.work.recipe.checksums], cwd=built.work.recipe.output)


def test_files_of_an_older_image_are_gone(built: Built) -> None:
    built.make(formats=("zst", "xz", "img"))
    files = built.make(formats=("xz",), config=b"profile: gateway\n")
    assert {name.partition(".")[2] for name in files} == {"img.xz", "sha256", "bmap"}


def test_when_the_image_cannot_be_made_the_old_files_stay_together(built: Built) -> None:
    before = built.make()
    (built.work.results["rootfs"] / rootfs.FILE).write_bytes(b"cut short")
    (built.work.recipe.output / "mine.txt").write_text("stays")
    with pytest.raises(PermanentError, match="damaged"):
        built.make(config=b"profile: gateway\n")
    after = {file.name: file.read_bytes() for file in built.work.recipe.output.iterdir()}
    assert after == before | {"mine.txt": b"stays"}


def frame_files(built: Built) -> dict[str, int]:
    return {
        file.name: file.stat().st_ino
        for folder in (built.store.tree(key) for key in built.store.results("compress-zst"))
        for file in folder.iterdir()
        if file.name != frames.INDEX
    }


def test_what_an_earlier_result_has_is_not_compressed_again(built: Built) -> None:
    built.make()
    before = frame_files(built)
    root = built.work.results["rootfs"] / rootfs.FILE
    with root.open("r+b") as file:
        file.seek(9 << 20)
        file.write(b"changed")
    pieces.write(pieces.region(root).pieces, root.with_name(rootfs.PIECES))
    built.make()
    after = frame_files(built)
    assert len(after) == len(before) + 1
    assert before.items() <= after.items(), "one file, linked"


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_frame_is_made_again_and_not_used(damage: bytes, built: Built) -> None:
    good = built.make()
    for file in built.store.layers.rglob("*"):
        if file.is_file() and file.read_bytes()[:4] == ZSTD_MAGIC:
            file.write_bytes(damage)
    assert built.make() == good


def test_bmaptool_writes_the_image_and_checks_it(built: Built, tmp_path: Path) -> None:
    built.make()
    made = built.work.recipe
    for ending in ("zst", "img"):
        run(["bmaptool", "copy", "--bmap", made.block_map, made.file(ending), tmp_path / ending])
        assert (tmp_path / ending).read_bytes() == made.image.read_bytes()
    with made.image.open("r+b") as file:
        file.seek(TRIXIE.layout.root_start * SECTOR_BYTES + 5000)
        file.write(b"damaged")
    with pytest.raises(PermanentError, match="checksum mismatch"):
        run(["bmaptool", "copy", "--bmap", made.block_map, made.image, tmp_path / "third"])


def test_a_card_gets_by_the_block_map_what_it_needs(built: Built, tmp_path: Path) -> None:
    """A card that had other things on it, which stay where nothing is written."""
    built.make()
    file = built.work.results["rootfs"] / rootfs.FILE
    card, image = tmp_path / "card", built.work.recipe.image
    card.write_bytes(b"\xaa" * image.stat().st_size)
    block_map = ElementTree.parse(built.work.recipe.block_map)
    block = int(block_map.findtext("BlockSize", ""))
    with image.open("rb") as reader, card.open("r+b") as writer:
        for part in block_map.iterfind("BlockMap/Range"):
            first, last = map(int, str(part.text).split("-"))
            os.pwrite(
                writer.fileno(), os.pread(reader.fileno(), (last + 1 - first) * block, first * block), first * block
            )
    about = TRIXIE.layout
    for check, start, size in (
        (["fsck.fat", "-n"], about.boot_start, about.boot_sectors * SECTOR_BYTES),
        (["e2fsck", "-fn"], about.root_start, file.stat().st_size),
    ):
        with card.open("rb") as reader:
            reader.seek(start * SECTOR_BYTES)
            (tmp_path / "partition").write_bytes(reader.read(size))
        run([*check, tmp_path / "partition"])
    # What e2fsck does not read, and the kernel may: the journal is zeros, but no free space.
    journals = []
    for partition in (tmp_path / "partition", file):
        run(["debugfs", "-R", f"dump <8> {tmp_path}/journal", partition])
        journals.append((tmp_path / "journal").read_bytes())
    assert journals[0] == journals[1]


@pytest.mark.parametrize("base_bytes", [100 << 20, 900 << 20, (900 << 20) + 512])
def test_the_root_partition_of_a_base_never_shrinks(base_bytes: int, built: Built, tmp_path: Path) -> None:
    work = built.work
    (work.results["inspect"] / inspect.ROOT_BYTES).write_text(f"{base_bytes}\n")
    size, inodes = rootfs.size(work, tmp_path / "tree")
    plain, _ = rootfs.size(replace(work, results={}), tmp_path / "tree")
    assert size == max(plain, -(-base_bytes // 4096) * 4096)
    assert inodes >= size // 16384


def test_the_size_of_a_bases_root_partition_is_noted(built: Built, tmp_path: Path) -> None:
    work = replace(built.work, result=tmp_path / "noted")
    work.result.mkdir()
    image, folder = tmp_path / "raspios.img", tmp_path / "fetch"
    folder.mkdir()
    work = replace(work, recipe=replace(work.recipe, base=str(image)), results={fetch.NAME: folder})
    fetch.stage(work.recipe).make(replace(work, result=folder))
    inspect.stage(work.recipe).make(work)
    noted = int((work.result / inspect.ROOT_BYTES).read_text())
    assert noted == partitions.read_table(image).root_sectors * SECTOR_BYTES
