from __future__ import annotations

import pytest

from appliance.errors import InputError
from image.sources import Source, _passed_on, deb822, debian_sources

MAIN, SECURITY = "http://mirror.test/debian/", "http://mirror.test/debian-security/"


def rows(*listed: str) -> list[tuple[str, ...]]:
    return [tuple(row.split()) for row in listed]


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
    ],
)
def test_the_hosts_archives_with_our_suite(listed: list[str], expected: list[Source]) -> None:
    assert list(debian_sources("trixie", rows(*listed), "bookworm")) == expected


def test_a_host_without_a_debian_archive_is_told_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        debian_sources("trixie", rows("http://archive.test/ubuntu noble main"), "")
    assert "--mirror" in caught.value.hint


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
