"""A base's file that is moved, replaced, damaged or removed between two builds: the real first stages."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from appliance.errors import InputError
from image import download
from image.build import make
from image.cache.store import Store
from image.disk import layout
from image.disk.layout import Layout
from image.events import Events
from image.recipe import Recipe
from image.stage import Stage
from image.stages import fetch, inspect, unpack
from tests.image.raspberry import BOOKWORM, TRIXIE, Raspberry

pytestmark = pytest.mark.programs

ADDRESS = "https://a.test/raspios.img"


def image(raspberry: Raspberry, folder: Path) -> Path:
    folder.mkdir()
    return raspberry.make(folder)


def taken_apart(recipe: Recipe, store: Store) -> str:
    """The release of the root file system that `unpack` makes anew; all before may come from the cache."""

    def first(recipe: Recipe, store: Store) -> Sequence[Stage]:
        return fetch.stage(recipe), inspect.stage(recipe), unpack.stage()

    for key in store.results("unpack"):
        store.forget(key)
    make(first, recipe, store, Events(io.StringIO()))
    [key] = store.results("unpack")
    return (store.tree(key) / "etc/os-release").read_text().partition("VERSION_CODENAME=")[2].split("\n")[0]


def test_moved_it_is_read_where_it_is_now(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> None:
    base = image(TRIXIE, tmp_path / "a")
    assert taken_apart(recipe(base=str(base)), store) == "trixie"
    moved = base.rename(tmp_path / "moved.img")
    assert taken_apart(recipe(base=str(moved)), store) == "trixie"
    assert len(store.results("inspect")) == 1, "it is the same file"


def test_the_same_name_in_another_folder_is_another_file(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = image(TRIXIE, tmp_path / "a")
    monkeypatch.chdir(base.parent)
    first = fetch.stage(recipe(base=base.name))
    monkeypatch.chdir(tmp_path)
    os.link(base, base.name)
    assert fetch.stage(recipe(base=base.name)).inputs["base"] != first.inputs["base"]


def test_another_release_in_its_place_is_never_taken_for_it(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path
) -> None:
    base, other = image(TRIXIE, tmp_path / "a"), image(BOOKWORM, tmp_path / "b")
    kept = tmp_path / "kept.img"
    shutil.copy(base, kept)
    assert taken_apart(recipe(base=str(base)), store) == "trixie"
    os.utime(other, ns=(base.stat().st_atime_ns, base.stat().st_mtime_ns))
    os.truncate(other, base.stat().st_size)
    other.replace(base)
    assert taken_apart(recipe(base=str(kept)), store) == "trixie"
    assert taken_apart(recipe(base=str(base)), store) == "bookworm"


def test_written_to_between_two_stages_it_is_begun_again(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, other = image(TRIXIE, tmp_path / "a"), image(BOOKWORM, tmp_path / "b")
    write = layout.write

    def written(found: Layout, folder: Path) -> None:
        write(found, folder)
        if other.exists():
            other.replace(base)

    monkeypatch.setattr(layout, "write", written)
    assert taken_apart(recipe(base=str(base)), store) == "bookworm"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Callable[[], int]]:
    """Serves a content as any address; gives what tells how often it was asked."""
    asked = tmp_path / "asked"

    def serve(content: bytes) -> Callable[[], int]:
        def answer(url: str, partial: Path, progress: download.Progress) -> None:
            partial.write_bytes(content)
            with asked.open("a") as file:
                file.write(f"{url}\n")

        monkeypatch.setattr(download, "_fetch", answer)
        return lambda: len(asked.read_text().splitlines())

    return serve


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def remove(file: Path) -> None:
    shutil.rmtree(file.parent)


@pytest.mark.parametrize("damage", [cut_short, remove])
@pytest.mark.parametrize("packed", [False, True])
def test_a_download_that_is_not_what_it_was_is_fetched_again(  # noqa: PLR0917 (fixtures)
    packed: bool,
    damage: Callable[[Path], None],
    recipe: Callable[..., Recipe],
    store: Store,
    tmp_path: Path,
    web: Callable[[bytes], Callable[[], int]],
) -> None:
    content = image(TRIXIE, tmp_path / "a").read_bytes()
    content = lzma.compress(content, preset=0) if packed else content
    sha256, asked = hashlib.sha256(content).hexdigest(), web(content)
    of_web = recipe(base=ADDRESS, base_sha256=sha256)
    assert taken_apart(of_web, store) == "trixie"
    damage(store.downloads / sha256)
    for key in store.results("inspect"):
        store.forget(key)
    assert taken_apart(of_web, store) == "trixie"
    assert asked() == 2
    assert (store.downloads / sha256).read_bytes() == content


def test_a_download_that_a_disk_damaged_is_fetched_again(
    recipe: Callable[..., Recipe],
    store: Store,
    tmp_path: Path,
    web: Callable[[bytes], Callable[[], int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No size and no time changes: it is only seen when it is unpacked."""
    monkeypatch.setattr(fetch, "_state", lambda file: [])
    content = lzma.compress(image(TRIXIE, tmp_path / "a").read_bytes(), preset=0)
    sha256, asked = hashlib.sha256(content).hexdigest(), web(content)
    of_web = recipe(base=ADDRESS, base_sha256=sha256)
    taken_apart(of_web, store)
    (store.downloads / sha256).write_bytes(content[: len(content) // 2])
    store.forget(store.results("inspect")[0])
    assert taken_apart(of_web, store) == "trixie"
    assert asked() == 2


def test_a_file_that_is_broken_on_the_web_is_named_by_its_address(
    recipe: Callable[..., Recipe], store: Store, web: Callable[[bytes], Callable[[], int]]
) -> None:
    asked = web(b"not an image\n" * 1000)
    sha256 = hashlib.sha256(b"not an image\n" * 1000).hexdigest()
    with pytest.raises(InputError, match=f"^{ADDRESS} has no partition table"):
        taken_apart(recipe(base=ADDRESS, base_sha256=sha256), store)
    assert asked() == 1
