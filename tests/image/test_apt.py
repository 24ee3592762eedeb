from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image.cache.store import Store
from image.cli.build import default_cache
from image.debian.apt import Apt, only_out_of_sync
from image.debian.archives import Archive, listed, why
from image.events import Events
from image.recipe import Recipe
from tests.image.both_ways import emulated, foundations

SMALL = "netbase"
WHERE = "http://mirror.test/debian"
SYNC = "File has unexpected size (720 != 1108). Mirror sync in progress? [IP: 192.0.2.1 80]"
GONE = "404  Not Found [IP: 192.0.2.1 80]"
LAST = "E: Some index files failed to download. They have been ignored, or old ones used instead.\n"


def failed(suite: str, why: str) -> str:
    """As apt-get update says it."""
    return f"E: Failed to fetch {WHERE}/dists/{suite}/main/binary-armel/Packages.xz  {why}\n   Hashes:\n"


@pytest.mark.parametrize(
    ("said", "suites"),
    [
        (failed("trixie-updates", SYNC), ["trixie-updates"]),
        (failed("trixie-updates", SYNC) + failed("bookworm-updates", SYNC), ["bookworm-updates", "trixie-updates"]),
        (failed("trixie-security", SYNC), []),
        (failed("trixie-updates", SYNC) + failed("trixie-security", SYNC), []),
        (failed("trixie", SYNC), []),
        (failed("trixie-updates", SYNC) + failed("trixie", SYNC), []),
        (failed("trixie-updates", GONE), []),
        (failed("trixie-updates", SYNC) + failed("bookworm-updates", GONE), []),
        (failed("trixie-updates", SYNC) + f"E: Failed to fetch {WHERE}/other\n", []),
        ("E: The repository is not signed.\n", []),
        ("", []),
    ],
    ids=[
        *("one", "two", "security", "security as well", "the release itself", "the release as well"),
        *("not there", "not there as well"),
        *("something else as well", "no signature", "nothing"),
    ],
)
def test_only_updates_of_an_inconsistent_mirror_can_be_done_without(said: str, suites: list[str]) -> None:
    assert only_out_of_sync(said and said + LAST) == suites


def test_which_files_apt_lists_and_what_they_must_be() -> None:
    said = f"Reading package lists...\n'{WHERE}/pool/a_1%3a2_arm64.deb' a_1%253a2_arm64.deb 26 SHA256:0a1b\n"
    assert listed(said) == [Archive(f"{WHERE}/pool/a_1%3a2_arm64.deb", "a_1%253a2_arm64.deb", 26, "0a1b")]


@pytest.mark.parametrize("digest", ["", "MD5Sum:0a1b", "SHA512:0a1b"])
def test_a_package_without_a_sha256_in_the_lists_is_named(digest: str) -> None:
    with pytest.raises(PermanentError, match=r"no SHA-256 of a_1_all\.deb"):
        listed(f"'{WHERE}/pool/a_1_all.deb' a_1_all.deb 26 {digest}\n")


def test_what_did_not_come_is_named_where_apt_says_nothing() -> None:
    assert "a.deb, b.deb (" in why("", ["a.deb", "b.deb"])
    assert "c.deb and 2 more (" in why("", ["a.deb", "b.deb", "c.deb", "d.deb", "e.deb"])
    assert why("E: 404\nE: 404\n", ["a.deb"]).splitlines()[1:] == ["  404"]


@pytest.mark.build
def test_a_package_that_is_not_what_the_lists_say_is_fetched_again(tmp_path: Path) -> None:
    """One of the right size, which is all that apt looks at."""
    index = foundations(emulated(Recipe(config=b"")), Store(default_cache()), Events())["index"]
    status = tmp_path / "status"
    status.touch()
    debian = Apt(index, tmp_path / "archives", status, ("arm64",), tmp_path / "log")
    files = debian.download([SMALL])
    package = next(file for file in files if file.name.startswith(f"{SMALL}_"))
    whole = package.read_bytes()
    package.write_bytes(bytes(len(whole)))
    assert debian.download([SMALL]) == files
    assert package.read_bytes() == whole
