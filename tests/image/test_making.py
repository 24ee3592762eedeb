"""How stages are run: once, in turn, and again where their stored result turns out to be damaged."""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from image.build import make
from image.cache.store import Store
from image.disk import pieces
from image.disk.pieces import PIECE_BYTES, Region
from image.events import Events
from image.recipe import Recipe
from image.stage import Makes, Stage, Work

pytestmark = pytest.mark.programs

FIRST, SECOND = "first", "second"


def made(*stages: Stage) -> Callable[[Recipe, Store], Sequence[Stage]]:
    return lambda recipe, store: stages


def stage(name: str, make: Callable[[Work], None], *needs: str, version: int = 0) -> Stage:
    return Stage(name, Makes.FILES, needs, {"version": version}, make, "")


def write(work: Work) -> None:
    content = bytes(range(256)) * (2 * PIECE_BYTES // 256)
    (work.result / "file").write_bytes(content)
    pieces.write(pieces.region(work.result / "file").pieces, work.result / "pieces")


def read(work: Work) -> None:
    folder = work.results[FIRST]
    region = Region(folder / "file", pieces.read(folder / "pieces"))
    (work.result / "read").write_text(
        "".join(piece.digest for at, piece in region.placed() if region.content(at, piece))
    )


def flip_a_bit(file: Path) -> None:
    """As a disk does: no time and no size changes."""
    known = file.stat()
    with file.open("r+b") as opened:
        opened.seek(PIECE_BYTES + 1)
        opened.write(b"\xff")
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))


def test_what_turns_out_to_be_damaged_is_made_again(recipe: Callable[..., Recipe], store: Store) -> None:
    make(made(stage(FIRST, write)), recipe(), store, Events(io.StringIO()))
    [first] = store.entries()
    whole = (store.tree(first.key) / "file").read_bytes()
    flip_a_bit(store.tree(first.key) / "file")
    log = recipe().output / "log"
    log.parent.mkdir()
    with log.open("w") as told:
        make(made(stage(FIRST, write), stage(SECOND, read, FIRST)), recipe(), store, Events(told))
    assert [line.split(":")[0] for line in log.read_text().splitlines()] == [
        f"{FIRST}",
        f"the stored result of {FIRST} is damaged",
        f"{FIRST}",
        f"{SECOND}",
    ]
    assert (store.tree(first.key) / "file").read_bytes() == whole


def test_what_gets_damaged_again_and_again_is_an_error(recipe: Callable[..., Recipe], store: Store) -> None:
    def damage(work: Work) -> None:
        flip_a_bit(work.results[FIRST] / "file")
        read(work)

    with pytest.raises(PermanentError, match="has changed since it was made") as caught:
        make(made(stage(FIRST, write), stage(SECOND, damage, FIRST)), recipe(), store, Events(io.StringIO()))
    assert "the disk" in caught.value.hint


def test_interrupted_it_says_where_it_stopped(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> None:
    def interrupted(work: Work) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    with (
        (tmp_path / "log").open("w") as told,
        pytest.raises(KeyboardInterrupt, match=f"interrupted in {SECOND}; what "),
    ):
        make(made(stage(FIRST, write), stage(SECOND, interrupted, FIRST)), recipe(), store, Events(told))
    assert (tmp_path / "log").read_text().startswith(f"{FIRST}: ")
    assert [entry.stage for entry in store.entries()] == [FIRST]
    assert list(store.work.iterdir()) == []


def test_a_stage_that_fails_is_named(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> None:
    def failing(work: Work) -> None:
        raise PermanentError("it was not to be")

    with (tmp_path / "log").open("w") as told, pytest.raises(PermanentError):
        make(made(stage(FIRST, write), stage(SECOND, failing, FIRST)), recipe(), store, Events(told))
    first, second = (tmp_path / "log").read_text().splitlines()
    assert re.fullmatch(rf"{FIRST}: [\d.]+ s", first)
    assert second == f"{SECOND}: failed"


def test_two_builds_of_one_cache_take_turns(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> None:
    def slow(work: Work) -> None:
        with (tmp_path / "runs").open("a") as runs:
            runs.write("began\n")
            runs.flush()
            time.sleep(1)
            runs.write("ended\n")

    def build(number: int) -> None:
        with (tmp_path / f"log{number}").open("w") as told:
            make(made(stage(FIRST, slow)), recipe(output=tmp_path / f"{number}"), store, Events(told))

    both = [multiprocessing.get_context("fork").Process(target=build, args=(number,)) for number in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "runs").read_text() == "began\nended\n", "the other one takes its result"
    told = [(tmp_path / f"log{number}").read_text() for number in range(2)]
    assert sum("waiting for another build" in text for text in told) == 1


def test_what_lies_beside_an_image_goes_before_another_one_comes(recipe: Callable[..., Recipe], store: Store) -> None:
    def output(name: str, *needs: str, version: int = 0) -> Stage:
        def write_it(work: Work) -> list[Path]:
            if version:
                raise KeyboardInterrupt
            file = work.recipe.beside.get(name, work.recipe.image)
            file.parent.mkdir(exist_ok=True)
            file.write_text(name)
            return [file]

        return Stage(name, Makes.OUTPUT, needs, {"version": version}, write_it, "")

    others = (output("package_list"), output("manifest", "assemble"))
    make(made(output("assemble"), *others), recipe(), store, Events(io.StringIO()))
    with pytest.raises(KeyboardInterrupt):
        make(made(output("assemble", version=1), *others), recipe(), store, Events(io.StringIO()))
    assert set(recipe().output.iterdir()) == {recipe().image, recipe().package_list}


def test_what_was_made_of_files_that_changed_meanwhile_is_not_kept(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("as the build began")

    def save(work: Work) -> None:
        if file.read_text() == "as the build began":
            file.write_text("as its editor saved it")
        (work.result / "file").write_text(file.read_text())

    def reading() -> Callable[[Recipe, Store], Sequence[Stage]]:
        return made(replace(stage(FIRST, save), reads=lambda: {"file": file.read_text()}))

    with pytest.raises(InputError, match=f"files that {FIRST} reads were changed while it ran"):
        make(reading(), recipe(), store, Events(io.StringIO()))
    assert store.entries() == []
    make(reading(), recipe(), store, Events(io.StringIO()))
    [first] = store.entries()
    assert (store.tree(first.key) / "file").read_text() == "as its editor saved it"


def test_what_needs_a_result_is_made_again_when_that_tells_another_digest(
    recipe: Callable[..., Recipe], store: Store
) -> None:
    """As tools do: with newer package lists they may be others, or the same."""

    def stages(lists: int, tools: str) -> Callable[[Recipe, Store], Sequence[Stage]]:
        telling = Stage("tools", Makes.FILES, (), {"lists": lists}, lambda work: tools, "", tells_digest=True)
        return made(telling, stage(FIRST, write, "tools"))

    for lists, tools, results in ((1, "old", 1), (2, "old", 1), (3, "new", 2)):
        make(stages(lists, tools), recipe(), store, Events(io.StringIO()))
        assert len(store.results(FIRST)) == results
