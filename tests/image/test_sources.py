from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.debian.sources import Row, Source, _passed_on, deb822, debian_sources, fetchable, host_sources
from image.recipe import Recipe
from image.stages import index

MAIN, SECURITY = "http://mirror.test/debian/", "http://mirror.test/debian-security/"


UPDATES = f"{MAIN} bookworm-updates main"
THIRD = "http://apt.example.test/ stable main"


def rows(*listed: str) -> list[Row]:
    return [Row(*row.split(maxsplit=3)) for row in listed]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([f"{MAIN} bookworm main"], [Source(MAIN[:-1], ("trixie",))]),
        ([f"{MAIN} stable main"], [Source(MAIN[:-1], ("trixie",))]),
        ([f"{MAIN} trixie main"], [Source(MAIN[:-1], ("trixie",))]),
        (
            [f"{MAIN} bookworm main", f"{MAIN} bookworm-updates main", f"{SECURITY} bookworm-security main"],
            [Source(MAIN[:-1], ("trixie", "trixie-updates")), Source(SECURITY[:-1], ("trixie-security",))],
        ),
        (
            ["https://other.test/ nodistro main", f"{MAIN} bookworm main", "https://third.test/ bookworm contrib"],
            [Source(MAIN[:-1], ("trixie",))],
        ),
        (
            [
                "http://a.test/ bookworm main Raspberry Pi Foundation",
                f"{THIRD} Example",
                f"{MAIN} bookworm main Debian",
            ],
            [Source(MAIN[:-1], ("trixie",))],
        ),
        ([THIRD, f"{MAIN} bookworm main", UPDATES], [Source(MAIN[:-1], ("trixie", "trixie-updates"))]),
        ([THIRD, f"{MAIN} bookworm main"], [Source(MAIN[:-1], ("trixie",))]),
        (
            ["cdrom://x/ bookworm main", "copy:/x/ bookworm main", "file:/x/ bookworm main", f"{MAIN} bookworm main"],
            [Source(MAIN[:-1], ("trixie",))],
        ),
        (["ftp://a.test/ bookworm main Debian", f"{MAIN} bookworm main Debian"], [Source(MAIN[:-1], ("trixie",))]),
    ],
)
def test_the_hosts_archives_with_our_suite(listed: list[str], expected: list[Source]) -> None:
    assert list(debian_sources("trixie", rows(*listed), "bookworm")) == expected


def test_a_host_without_a_debian_archive_is_told_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        debian_sources("trixie", rows("http://archive.test/ubuntu noble main"), "")
    assert "--mirror" in caught.value.hint


def test_a_third_partys_archive_alone_is_not_debians() -> None:
    with pytest.raises(InputError, match="no Debian archive"):
        debian_sources("trixie", rows(f"{THIRD} Example"), "bookworm")


def test_of_a_list_of_mirrors_the_first_address_is_taken(tmp_path: Path) -> None:
    (tmp_path / "debian.list").write_text("file:/srv/debian\nhttps://one.test/debian\tpriority:1\nhttp://two.test/\n")
    assert fetchable(f"mirror+file:{tmp_path}/debian.list/") == "https://one.test/debian"
    assert fetchable(f"mirror+file://{tmp_path}/debian.list") == "https://one.test/debian"


def test_an_archive_with_a_password_in_its_address_is_refused(tmp_path: Path) -> None:
    """The address gets into the image, whoever else reads that; and it is not told again."""
    (tmp_path / "debian.list").write_text("https://me:secret@one.test/debian\n")
    for uri in ("https://me:secret@one.test/debian", f"mirror+file:{tmp_path}/debian.list"):
        with pytest.raises(InputError, match=r"the archive one\.test has a user or password in it") as caught:
            fetchable(uri)
        assert "auth.conf.d" in caught.value.hint
        assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_a_mirror_that_was_given_is_the_native_tools_as_well(recipe: Callable[..., Recipe]) -> None:
    """Also with an image as the base, whose release may be another, on a computer that has no Debian archive."""
    chosen = index.chosen_sources(recipe(base="raspios.img", mirror="https://a.test/debian/"), "bookworm")
    assert chosen == (Source("https://a.test/debian", ("bookworm", "bookworm-updates")),)


@pytest.mark.parametrize("uri", ["tor+http://a.test/debian", "ftp://a.test/debian", "mirror+file:/no/such.list"])
def test_an_archive_that_an_image_cannot_reach_is_refused(uri: str) -> None:
    with pytest.raises(InputError) as caught:
        fetchable(uri)
    assert "--mirror" in caught.value.hint


@pytest.mark.programs
def test_the_hosts_real_apt_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that were never fetched, a disc with spaces in its name, and a list of mirrors."""
    (tmp_path / "mirrors.list").write_text("http://one.test/debian\n")
    (tmp_path / "sources.list").write_text(
        "deb cdrom:[Debian 12 _Bookworm_ - Official]/ bookworm main\n"
        "deb http://apt.example.test stable main\n"
        f"deb mirror+file:{tmp_path}/mirrors.list bookworm main\n"
        f"deb mirror+file:{tmp_path}/mirrors.list bookworm-updates main\n"
    )
    (tmp_path / "apt.conf").write_text(f'Dir::Etc "{tmp_path}"; Dir::State "{tmp_path}";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setattr("image.debian.sources._codename", lambda: "bookworm")
    assert host_sources("trixie") == (Source("http://one.test/debian", ("trixie", "trixie-updates")),)


def test_every_source_is_checked_with_debians_keys_alone() -> None:
    text = deb822(
        [Source("http://a.test", ("trixie", "trixie-updates")), Source("http://b.test", ("trixie-security",))]
    )
    paragraphs = text.split("\n\n")
    assert len(paragraphs) == 2
    for paragraph in paragraphs:
        assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" in paragraph
        assert "Components: main non-free-firmware" in paragraph


@pytest.mark.parametrize("name", ["Acquire::http::Proxy", "Acquire::https::Verify-Peer", "Acquire::Retries"])
def test_how_to_reach_an_archive_is_the_hosts_to_say(name: str) -> None:
    assert _passed_on(name)


@pytest.mark.parametrize(
    "name",
    ["Acquire::AllowInsecureRepositories", "APT::Get::AllowUnauthenticated", "DPkg::Post-Invoke", "Dir::Etc"],
)
def test_whether_signatures_count_is_not(name: str) -> None:
    assert not _passed_on(name)
