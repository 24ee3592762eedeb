"""Real apt and an archive that is slow, breaks off, falls silent, lies, or does not have what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from appliance.errors import InputError, PermanentError
from image.debian import archives, sources
from image.debian.apt import Apt
from tests.image import archive
from tests.image.archive import ARCHITECTURE, SUITE, Fault, Handler, Mirror

pytestmark = pytest.mark.programs

PACKAGES = {"dnsmasq-base": "", "dnsmasq": "dnsmasq-base", "network-manager": ""}
IMPATIENT = 'Acquire::http::Timeout "2";\nAcquire::Retries "1";\nAcquire::http::Proxy "DIRECT";\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    archive.make(folder, PACKAGES)
    return folder


@pytest.fixture
def mirror(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setattr(sources, "transport_settings", lambda: IMPATIENT)
    with archive.served(made) as served:
        yield served


@pytest.fixture
def apt(mirror: Mirror, tmp_path: Path) -> Apt:
    (tmp_path / "index/etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "index/etc/apt/sources.list.d/test.sources").write_text(
        f"Types: deb\nURIs: {mirror.address}\nSuites: {SUITE}\nComponents: main\n"
        f"Signed-By: {mirror.folder / 'keyring.gpg'}\n"
    )
    (tmp_path / "status").touch()
    return Apt(tmp_path / "index", tmp_path / "archives", tmp_path / "status", (ARCHITECTURE,), tmp_path / "log")


def names(files: list[Path]) -> list[str]:
    assert all(file.is_file() for file in files)
    return sorted(file.name.split("_")[0] for file in files)


def test_with_what_a_package_needs(apt: Apt) -> None:
    assert apt.update() == []
    assert names(apt.download(["dnsmasq"])) == ["dnsmasq", "dnsmasq-base"]


def test_a_slow_mirror_is_waited_for(apt: Apt, mirror: Mirror) -> None:
    apt.update()
    mirror.faults[".deb"] = archive.slow
    assert names(apt.download(["dnsmasq"])) == ["dnsmasq", "dnsmasq-base"]


def test_several_packages_come_at_once(apt: Apt, mirror: Mirror) -> None:
    both = Barrier(2, timeout=1.0)  # less than apt waits before it asks again

    def together(handler: Handler, content: bytes) -> None:
        both.wait()
        handler.answer(content)

    apt.update()
    mirror.faults[".deb"] = together
    assert names(apt.download(["dnsmasq"])) == ["dnsmasq", "dnsmasq-base"]


def test_how_far_it_is_is_told(apt: Apt, mirror: Mirror) -> None:
    told: list[tuple[str, int, int]] = []
    apt.update()
    mirror.faults[".deb"] = archive.slow
    files = replace(apt, progress=lambda *progress: told.append(progress)).download(["dnsmasq"])
    total = sum(file.stat().st_size for file in files)
    assert told and {(what, of) for what, _, of in told} == {("downloaded", total)}
    assert any(0 < done < total for _, done, _ in told)


def test_what_breaks_off_goes_on_where_it_was(apt: Apt, mirror: Mirror) -> None:
    def once(handler: Handler, content: bytes) -> None:
        del mirror.faults["manager_1_arm64.deb"]
        archive.half(handler, content)

    apt.update()
    mirror.faults["manager_1_arm64.deb"] = once
    assert names(apt.download(["network-manager"])) == ["network-manager"]
    assert len([path for path in mirror.asked if path.endswith(".deb")]) == 2


def test_of_what_earlier_runs_left_only_what_is_wanted_stays(apt: Apt, mirror: Mirror) -> None:
    partial = apt.archives / "partial"
    apt.update()
    mirror.faults["manager_1_arm64.deb"] = archive.other
    with pytest.raises(PermanentError):
        apt.download(["network-manager"])
    assert [file.suffix for file in partial.iterdir()] == [".FAILED"]
    mirror.faults.clear()
    (partial / "older_1_all.deb").touch()
    apt.download(["network-manager"])
    assert list(partial.iterdir()) == []


def test_when_apts_helper_is_killed_it_is_said_what_is_missing(
    apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "apt-helper"
    killed.write_text("#!/bin/sh\nkill -KILL $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr(archives, "HELPER", str(killed))
    apt.update()
    with pytest.raises(PermanentError) as caught:
        apt.download(["network-manager"])
    assert "network-manager_1_arm64.deb" in caught.value.message
    assert str(apt.log) in caught.value.hint


@pytest.mark.parametrize("fault", [archive.half, archive.silent, archive.other], ids=lambda fault: fault.__name__)
def test_a_package_that_does_not_come_whole_is_an_error_and_not_kept(fault: Fault, apt: Apt, mirror: Mirror) -> None:
    apt.update()
    mirror.faults["manager_1_arm64.deb"] = fault
    with pytest.raises(PermanentError) as caught:
        apt.download(["network-manager"])
    assert "network-manager" in caught.value.message and "--refresh" in caught.value.hint
    assert list(apt.archives.glob("*.deb")) == []
    mirror.faults.clear()
    assert names(apt.download(["network-manager"])) == ["network-manager"], "the next build takes it"


@pytest.mark.parametrize("fault", [archive.half, archive.silent, archive.other], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("file", ["Packages", "InRelease"])
def test_lists_that_do_not_come_whole_are_an_error(fault: Fault, file: str, apt: Apt, mirror: Mirror) -> None:
    mirror.faults[file] = fault
    with pytest.raises(PermanentError) as caught:
        apt.update()
    assert mirror.address in caught.value.message and "--mirror" in caught.value.hint


def test_a_package_that_there_is_not_is_named_with_those_that_are_near(apt: Apt) -> None:
    apt.update()
    with pytest.raises(InputError) as caught:
        apt.download(["dnsmasqbase", "networkmanager", "dnsmasq"])
    assert "no package dnsmasqbase (there is dnsmasq-base" in caught.value.message
    assert "no package networkmanager (there is network-manager)" in caught.value.message
    assert "no package dnsmasq " not in caught.value.message


def test_a_package_like_which_there_is_none_is_named_alone(apt: Apt) -> None:
    apt.update()
    with pytest.raises(InputError, match=r"no package zzz$"):
        apt.download(["zzz"])
