"""`appliance cache`: what it says, what it removes, and what it refuses."""

from __future__ import annotations

import json
import os
import sys

import pytest

from appliance.cli import main
from image.cache.store import Store
from image.inside import namespaces
from image.inside.mounts import bound
from image.run import run
from tests.image.test_retention import keep, kept

pytestmark = pytest.mark.programs


def appliance(*words: str) -> int:
    return main(["cache", *words])


def test_it_shows_what_is_there(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    keep(store, "a", days_ago=3)
    keep(store, "b", days_ago=5)
    assert appliance("--cache", str(store.folder)) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{store.folder}: 2.1 MB")
    assert "packages " in told[1] and "2 results, 0 of images that are there; last used 3 days ago" in told[1]
    assert appliance("--json", "--cache", str(store.folder)) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert [(part["what"], part["results"]) for part in parts if part["results"]] == [("packages", 2)]


def test_it_trims_by_age_and_by_size(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    for days in (1, 3, 5):
        keep(store, f"{days}", days_ago=days)
    assert appliance("trim", "--older-than", "4", "--cache", str(store.folder)) == 0
    assert kept(store) == {"1", "3"} and capfd.readouterr().out.startswith("1 result removed: 1.1 MB")
    assert appliance("trim", "--to", "1.5M", "--cache", str(store.folder)) == 0
    assert kept(store) == {"1"}
    assert appliance("trim", "--to", "0", "--cache", str(store.folder)) == 0
    assert kept(store) == set()


def test_it_removes_what_is_damaged_and_says_so(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    keep(store, "whole")
    keep(store, "broken")
    assert appliance("verify", "--cache", str(store.folder)) == 0
    assert "2 results, 2.1 MB: all as they were made" in capfd.readouterr().out
    motd = store.tree("broken") / "etc/motd"
    known = motd.stat()
    motd.write_bytes(os.urandom(known.st_size))
    os.utime(motd, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert appliance("verify", "--cache", str(store.folder)) == 1
    said = capfd.readouterr().err
    assert "the result of packages, which took 1.0 s to make, is damaged" in said and "1 result of 2 removed" in said
    assert kept(store) == {"whole"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trim"], "nothing says what to trim"),
        (["--to", "5G"], "--older-than and --to say what to trim"),
        (["trim", "--to", "some"], "'some' is not a size"),
        (["trim", "--older-than", "-1"], "-1.0 is no number of days"),
        (["trim", "--older-than", "nan"], "nan is no number of days"),
        (["show", "--cache", "/nowhere"], "there is no cache in /nowhere"),
    ],
)
def test_what_it_cannot_mean_is_refused(
    words: list[str], said: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, "a")
    assert appliance("--cache", str(store.folder), *words) == 2
    assert said in capsys.readouterr().err
    assert kept(store) == {"a"}


def test_the_help_teaches_by_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert "appliance cache trim --to 5G" in run([sys.executable, "-m", "appliance", "cache", "--help"])


def test_of_a_disk_that_cannot_be_written_it_shows_what_is_there_and_does_no_more(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    keep(store, "whole")

    def look() -> None:
        with bound(store.folder, store.folder, read_only=True):
            for words in (["cache"], ["cache", "verify"], ["cache", "trim", "--to", "0"], ["build"]):
                print(words, main([*words, "--cache", str(store.folder)]), flush=True)

    namespaces.inside(look)
    told, errors = capfd.readouterr()
    assert "['cache'] 0" in told and "1 result," in told
    for words in (["cache", "verify"], ["cache", "trim", "--to", "0"], ["build"]):
        assert f"{words} 2" in told
    assert errors.count("cannot be written") == errors.count("Read-only file system") == 3
    assert errors.count("hint: give another folder with --cache") == 3
    assert kept(store) == {"whole"}
