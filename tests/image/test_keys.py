"""What runs again after which change: the stages' real keys, with nothing built."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from image import build, plan
from image.cache.keys import Keys
from image.cache.store import Entry, Store, digest_of_files
from image.debian import packages, sources
from image.debian.sources import Source
from image.events import Events
from image.recipe import Recipe
from image.stage import Makes
from image.stages import overlay

IMAGE = ["boot", "assemble"]
PACKAGES = ["package_list", "sbom"]
EDITED = [*IMAGE, "manifest"]
"""What a change of appliance.yaml costs."""
ROOT = ["index", "native", "bootstrap", "packages", "daemon", "overlay"]
ALL = [*ROOT, "rootfs", "bootfs", "compress-zst", *IMAGE, *PACKAGES, "manifest"]


@pytest.fixture(autouse=True)
def archive(monkeypatch: pytest.MonkeyPatch, host: Callable[[str], None]) -> None:
    host("x86_64")
    monkeypatch.setattr(sources, "host_sources", lambda suite: (Source("http://mirror.test/debian", (suite,)),))


def stale(recipe: Recipe, store: Store) -> list[str]:
    keys = Keys(build.stages(recipe, store), recipe, store)
    return [name for name in keys.stages if not keys.fresh(name)]


def pretend_built(recipe: Recipe, store: Store) -> None:
    """Store an entry for each stage under its key, as a build would."""
    keys = Keys(build.stages(recipe, store), recipe, store)
    keys.renewed.clear()
    for name, stage in keys.stages.items():
        key = keys.key(name)
        assert key is not None
        if stage.makes in (Makes.FILES, Makes.ROOT):
            with store.workplace() as place:
                (place / "tree").mkdir()
                if name == "index":
                    (place / "tree/date").touch()
                store.keep(place, Entry(name, key, f"digest of {name}" if stage.tells_digest else key, 1.0))
        elif stage.makes is Makes.OUTPUT:
            output = recipe.image.with_suffix(f".{name}")
            output.parent.mkdir(exist_ok=True)
            output.write_text(key)
            store.note_output(recipe.image, name, key, [output], keys.stored())


def test_first_everything_runs_and_then_nothing(recipe: Callable[..., Recipe], store: Store) -> None:
    assert stale(recipe(), store) == ALL
    pretend_built(recipe(), store)
    assert stale(recipe(), store) == []


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({"config": b"profile: gateway\nhostname: other\n"}, EDITED),
        ({"formats": ("img",)}, EDITED),
        ({"formats": ("zst", "xz", "img")}, ["compress-xz", *EDITED]),
        ({"epoch": 1_700_000_000}, ALL),
        ({"mirror": "http://other.test/debian"}, ALL),
        ({"refresh": True}, ALL),
    ],
)
def test_what_a_change_of_the_recipe_costs(
    change: dict[str, object], runs: list[str], recipe: Callable[..., Recipe], store: Store
) -> None:
    pretend_built(recipe(), store)
    assert stale(recipe(**change), store) == runs


def test_lists_that_have_not_changed_cost_nothing_more(recipe: Callable[..., Recipe], store: Store) -> None:
    pretend_built(recipe(), store)
    refreshed = recipe(refresh=True)
    keys = Keys(build.stages(refreshed, store), refreshed, store)
    keys.renewed.discard("index")  # made again, with the same digest
    assert [name for name in keys.stages if not keys.fresh(name)] == []


def test_what_is_of_one_kind_of_image_costs_the_other_nothing(
    recipe: Callable[..., Recipe], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_built(recipe(), store)
    pretend_built(recipe(board="zero"), store)
    monkeypatch.setitem(packages.KERNELS, "armel", "linux-image-new")
    assert stale(recipe(), store) == []
    assert stale(recipe(board="zero"), store)[0] == "bootstrap"


def test_boards_of_one_kind_share_everything(recipe: Callable[..., Recipe], store: Store) -> None:
    pretend_built(recipe(board="4"), store)
    assert stale(recipe(board="zero2"), store) == stale(recipe(board="3"), store) == []


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        ({"profile": "gadget"}, ["usb_device"]),
        ({"board": "zero"}, ["guard"]),
        ({"profile": "gadget", "board": "zero"}, ["usb_device", "guard"]),
    ],
)
def test_the_stages_that_not_every_image_needs(
    fields: dict[str, str], added: list[str], recipe: Callable[..., Recipe], store: Store
) -> None:
    at = ALL.index("rootfs")
    assert stale(recipe(**fields), store) == [*ALL[:at], *added, *ALL[at:]]


def test_an_overlays_change_leaves_the_packages_alone(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_built(recipe(), store)
    for name in ("debian", "base", "gateway"):
        (tmp_path / "overlays" / name).mkdir(parents=True)
    (tmp_path / "overlays/gateway/motd").write_text("changed")
    monkeypatch.setattr(overlay, "PROJECT", tmp_path)
    assert stale(recipe(), store) == ["overlay", "rootfs", "bootfs", "compress-zst", *IMAGE, *PACKAGES, "manifest"]


def test_an_output_that_somebody_changed_or_removed_is_made_again(recipe: Callable[..., Recipe], store: Store) -> None:
    pretend_built(recipe(), store)
    recipe().image.with_suffix(".assemble").write_text("booted in QEMU, which wrote to it")
    assert stale(recipe(), store) == IMAGE
    pretend_built(recipe(), store)
    recipe().image.with_suffix(".assemble").unlink()
    assert stale(recipe(), store) == IMAGE


def test_another_output_folder_costs_only_the_output(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path
) -> None:
    pretend_built(recipe(), store)
    assert stale(recipe(output=tmp_path / "elsewhere"), store) == [*IMAGE, *PACKAGES, "manifest"]


def test_a_config_is_in_the_cache_neither_as_it_is_nor_as_a_digest_to_guess_by(
    recipe: Callable[..., Recipe], store: Store, tmp_path: Path
) -> None:
    secret = recipe(config=b"passphrase: correct horse battery staple\n")
    pretend_built(secret, store)
    other = Store(tmp_path / "other")
    other.prepare()
    assert store.sealed(secret.config) == store.sealed(secret.config) != other.sealed(secret.config)
    assert "horse" not in repr(secret)
    assert not [file for file in store.folder.rglob("*") if file.is_file() and b"horse" in file.read_bytes()]


def test_a_result_that_lost_something_is_made_again_and_only_that(recipe: Callable[..., Recipe], store: Store) -> None:
    pretend_built(recipe(), store)
    changed = recipe(config=b"hostname: other\n")
    keys = Keys(build.stages(changed, store), changed, store)
    told = io.StringIO()
    build.forget_damaged(keys, Events(told))
    assert told.getvalue() == "" and stale(changed, store) == EDITED
    (store.tree(keys.key("bootstrap") or "") / "etc").mkdir()
    build.forget_damaged(keys, Events(told))
    assert told.getvalue() == "", "nobody is going to look at it"
    (store.tree(keys.key("rootfs") or "") / "lost").touch()
    build.forget_damaged(keys, Events(told))
    assert told.getvalue().splitlines() == [
        "the stored result of rootfs is damaged: it is made again",
        "the stored result of bootstrap is damaged: it is made again",
    ]
    assert stale(changed, store) == ["bootstrap", "rootfs", *EDITED]


def briefly(line: str) -> str:
    """Without what the stage makes."""
    return line.partition("  ")[0]


def test_a_plan_says_how_long_it_will_take(recipe: Callable[..., Recipe], store: Store) -> None:
    store.durations.note("arm64", {"boot": 150.0})
    store.durations.note("armv6", {"assemble": 1.0})
    pretend_built(recipe(), store)
    told = io.StringIO()
    plan.show(recipe(config=b"hostname: other\n"), store, Events(told))
    lines = told.getvalue().splitlines()
    assert {"rootfs: unchanged", "boot: would run, about 2 min 30 s", "assemble: would run"} <= set(map(briefly, lines))
    assert lines[-1] == "all: about 2 min 30 s, and assemble, manifest, never timed here"
    plan.show(recipe(), store, Events(told := io.StringIO()))
    assert told.getvalue().splitlines()[-1] == "nothing would be done"


@pytest.mark.parametrize(("days", "said"), [(6.9, 0), (8.1, 1)])
def test_old_package_lists_are_worth_a_word(
    days: float, said: int, recipe: Callable[..., Recipe], store: Store
) -> None:
    pretend_built(recipe(), store)
    keys = Keys(build.stages(recipe(), store), recipe(), store)
    date = store.tree(keys.key("index") or "") / "date"
    date.touch()
    os.utime(date, (time.time() - days * 86400,) * 2)
    for change, expected in (({}, said), ({"refresh": True}, 0)):
        told = io.StringIO()
        plan.show(recipe(**change), store, Events(told))
        assert told.getvalue().count("the package lists are 8 days old; --refresh") == expected


@pytest.mark.parametrize("broken", [b"", b"short"])
def test_a_seal_that_is_not_whole_is_replaced(broken: bytes, store: Store) -> None:
    (store.folder / "seal").write_bytes(broken)
    guess = hmac.new(broken, b"content", hashlib.sha256).hexdigest()
    with store.locked(lambda: None):
        sealed = store.sealed(b"content")
    assert sealed != guess
    assert Store(store.folder).sealed(b"content") == sealed, "kept"
    assert stat.S_IMODE((store.folder / "seal").stat().st_mode) == 0o600


def test_a_plan_makes_no_cache(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    told = io.StringIO()
    plan.show(recipe(), Store(tmp_path / "none"), Events(told))
    lines = [briefly(line) for line in told.getvalue().splitlines()]
    assert lines == [*(f"{name}: would run" for name in ALL), "all: never timed here"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("change", ["content", "name", "mode", "link"])
def test_whatever_matters_of_a_file_is_in_its_digest(change: str, tmp_path: Path) -> None:
    file = tmp_path / "tree/file"
    file.parent.mkdir()
    file.write_text("content")
    before = digest_of_files(tmp_path / "tree")
    if change == "content":
        file.write_text("changed")
    elif change == "name":
        file.rename(file.with_name("other"))
    elif change == "mode":
        file.chmod(0o755)
    else:
        file.unlink()
        file.symlink_to("content")
    assert digest_of_files(tmp_path / "tree") != before


def test_when_a_file_was_written_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    before = digest_of_files(tmp_path)
    (tmp_path / "file").unlink()
    (tmp_path / "file").write_text("content")
    assert digest_of_files(tmp_path) == before
