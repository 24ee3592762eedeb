"""What the cache keeps, what goes first, and how damage is seen."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.cache import integrity, retention
from image.cache.retention import DAY_S
from image.cache.store import Entry, Store

SIZE_BYTES = 1 << 20


def keep(store: Store, key: str, *, days_ago: float = 0.0) -> Entry:
    with store.workplace() as place:
        (place / "tree/etc").mkdir(parents=True)
        (place / "tree/etc/motd").write_bytes(os.urandom(SIZE_BYTES))
        (place / "tree/etc/link").symlink_to("motd")
        store.keep(place, Entry("packages", key, key, 1.0))
    used(store, key, days_ago)
    entry = store.find(key)
    assert entry is not None
    return entry


def used(store: Store, key: str, days_ago: float) -> None:
    then = time.time() - days_ago * DAY_S
    os.utime(store.layers / key / "entry.json", (then, then))


def kept(store: Store) -> set[str]:
    return {layer.name for layer in store.layers.iterdir()}


def test_what_nobody_used_for_two_weeks_goes(store: Store) -> None:
    for key, days_ago in (("old", 15.0), ("recent", 13.0), ("needed", 15.0)):
        keep(store, key, days_ago=days_ago)
    assert [entry.key for entry in retention.trim(store, spared={"needed"})] == ["old"]
    assert kept(store) == {"recent", "needed"}


def test_of_too_much_the_longest_unused_goes_first(store: Store) -> None:
    for days, key in enumerate(("a", "b", "c", "d")):
        keep(store, key, days_ago=days)
    removed = retention.trim(store, to_bytes=5 * SIZE_BYTES // 2, spared={"d"})
    assert [entry.key for entry in removed] == ["c", "b"]
    assert kept(store) == {"a", "d"}
    assert sum(entry.disk_bytes for entry in store.entries()) <= 5 * SIZE_BYTES // 2


def test_results_of_an_image_that_is_there_are_needed(store: Store, tmp_path: Path) -> None:
    image = tmp_path / "appliance.img"
    image.touch()
    store.note_output(image, "assemble", "key", [image], ["base", "packages"])
    assert retention.needed(store) == {"base", "packages"}
    image.unlink()
    assert retention.needed(store) == set()
    retention.trim(store)
    assert list(store.outputs.iterdir()) == []


def test_downloads_that_nobody_used_for_two_weeks_go(store: Store) -> None:
    """But no base image that a result leads to, which would be damaged without it."""
    partial = store.archives / "partial"
    partial.mkdir()
    then = time.time() - 15 * DAY_S
    for folder, name in ((store.archives, "old.deb"), (partial, "half.deb"), (store.downloads, "old.img")):
        (folder / name).write_bytes(os.urandom(SIZE_BYTES))
        os.utime(folder / name, (then, then))
    for folder, name in ((store.archives, "new.deb"), (store.downloads, "used.img")):
        (folder / name).touch()
    keep(store, "key")
    (store.tree("key") / "base").symlink_to(store.downloads / "used.img")
    os.utime(store.downloads / "used.img", (then, then))
    assert retention.trim_downloads(store) >= 3 * SIZE_BYTES
    assert [file.name for file in store.archives.glob("**/*.deb")] == ["new.deb"]
    assert [file.name for file in store.downloads.iterdir()] == ["used.img"]


def test_what_another_version_left_goes_when_it_is_old(store: Store) -> None:
    for name, days_ago in (("old", 15.0), ("recent", 1.0)):
        (store.layers / name).mkdir()
        (store.layers / name / "entry.json").write_text('{"stage": "packages"}')
        then = time.time() - days_ago * DAY_S
        os.utime(store.layers / name, (then, then))
    retention.trim(store)
    assert kept(store) == {"recent"}


def cut_off(motd: Path) -> None:
    os.truncate(motd, 10)


def lose(motd: Path) -> None:
    motd.unlink()


def add(motd: Path) -> None:
    motd.with_name("other").touch()


def lead_elsewhere(motd: Path) -> None:
    motd.with_name("link").unlink()
    motd.with_name("link").symlink_to("shadow")


def open_to_all(motd: Path) -> None:
    motd.chmod(0o777)


def lose_everything(motd: Path) -> None:
    motd.unlink()
    motd.with_name("link").unlink()
    motd.parent.rmdir()
    motd.parent.parent.rmdir()


@pytest.mark.parametrize(
    "damage", [cut_off, lose, add, lead_elsewhere, open_to_all, lose_everything], ids=lambda damage: damage.__name__
)
def test_damage_is_seen_without_reading(damage: Callable[[Path], None], store: Store) -> None:
    entry = keep(store, "key")
    assert store.is_whole(entry) and store.is_whole(entry, to_the_byte=True)
    damage(store.tree("key") / "etc/motd")
    assert not store.is_whole(entry)


def test_a_bit_that_fell_over_is_seen_by_reading(store: Store) -> None:
    entry, motd = keep(store, "key"), store.tree("key") / "etc/motd"
    known, content = motd.stat(), motd.read_bytes()
    motd.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(motd, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert store.is_whole(entry) and not store.is_whole(entry, to_the_byte=True)


def test_an_entry_that_cannot_be_read_is_none(store: Store) -> None:
    keep(store, "key")
    entry = json.loads((store.layers / "key/entry.json").read_text())
    others = [{**entry, "format": entry["format"] + 1}, {**entry, "format": None}, {"stage": "packages", "key": "key"}]
    for text in ("", "{", "[]", *map(json.dumps, others)):
        (store.layers / "key/entry.json").write_text(text)
        assert store.find("key") is None and store.entries() == []


def test_holes_and_hard_links_take_no_space(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(os.urandom(SIZE_BYTES))
    (tmp_path / "again").hardlink_to(tmp_path / "whole")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    assert SIZE_BYTES <= integrity.disk_bytes(tmp_path) < 2 * SIZE_BYTES


@pytest.mark.programs
@pytest.mark.parametrize(
    "change",
    [lambda folder: os.chown(folder, 65534, 0), lambda folder: os.setxattr(folder, "user.overlay.opaque", b"y")],
    ids=["owner", "attribute"],
)
def test_owners_and_attributes_are_looked_at_as_well(store: Store, change: Callable[[Path], None]) -> None:
    """Capabilities of files are attributes, and of a folder, what it hides in the layer below."""
    entry = keep(store, "a")
    assert store.is_whole(entry)
    change(store.tree("a") / "etc")
    assert not store.is_whole(entry)


def test_a_record_of_outputs_that_is_damaged_is_none(store: Store, tmp_path: Path) -> None:
    image = tmp_path / "appliance.img"
    image.touch()
    store.note_output(image, "assemble", "key", [image], ["base"])
    [record] = store.outputs.iterdir()
    for text in ("", "[]", '{"key": "key"}'):
        record.write_text(text)
        assert not store.made_output(image, "assemble", "key")
        assert retention.needed(store) == set()
    retention.trim(store)
    assert not record.exists()


def test_what_is_no_result_is_left_alone(store: Store) -> None:
    keep(store, "a")
    (store.layers / "note.txt").write_text("mine")
    assert [entry.key for entry in [*store.entries(), *store.strangers()]] == ["a"]


def test_who_is_killed_while_a_result_goes_leaves_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    keep(store, "a")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("image.cache.store.remove", killed)
        store.forget("a")
    assert list(store.layers.iterdir()) == [] and len(list(store.work.iterdir())) == 1
    store.clean()
    assert list(store.work.iterdir()) == []


def test_somebody_elses_folder_is_no_cache(tmp_path: Path) -> None:
    mine = tmp_path / "work/thesis"
    mine.mkdir(parents=True)
    mode = tmp_path.stat().st_mode
    with pytest.raises(InputError, match="is not a cache") as caught:
        Store(tmp_path).prepare()
    assert "--cache" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["work"] and tmp_path.stat().st_mode == mode


def test_a_cache_is_tagged_as_one(store: Store) -> None:
    assert (store.folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    (store.work / "left").mkdir()
    store.prepare()
    store.clean()
    assert list(store.work.iterdir()) == []


def test_zeros_are_the_same_as_a_hole(tmp_path: Path) -> None:
    """A cache that was copied to another disk may have lost its holes, and nothing else."""
    for name, rest in (("hole", b""), ("zeros", bytes(1 << 24))):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "file").open("wb") as file:
            file.write(b"begins" + rest)
            file.truncate(1 << 24)
    one, other = (integrity.contents(tmp_path / name) for name in ("hole", "zeros"))
    assert one == other
    assert (tmp_path / "hole/file").stat().st_blocks < (tmp_path / "zeros/file").stat().st_blocks
    with (tmp_path / "zeros/file").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert integrity.contents(tmp_path / "zeros") != one
