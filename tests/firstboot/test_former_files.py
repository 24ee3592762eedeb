"""Others' files are kept before they are written for the first time, and put back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.parse import load
from firstboot import former_files
from firstboot.facts import Facts
from firstboot.former_files import HOSTNAME, TAKEN, FormerFiles, put_back
from firstboot.resources.files import RENDERED
from firstboot.resources.ufw_settings import WANTED
from tests.firstboot.conftest import EXAMPLES


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "former"


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "theirs"
    monkeypatch.setattr(former_files, "TAKEN", (path,))
    return path


def test_what_was_there_first_counts_also_after_a_restart(memory: Path, theirs: Path) -> None:
    theirs.write_bytes(b"\xff theirs\n")
    theirs.chmod(0o640)
    kept = FormerFiles(memory)
    kept.keep(theirs)
    theirs.write_text("ours\n")
    kept.keep(theirs)
    again = FormerFiles(memory)
    again.keep(theirs)
    [former] = again.all()
    put_back(former)
    assert (theirs.read_bytes(), theirs.stat().st_mode & 0o7777) == (b"\xff theirs\n", 0o640)
    assert memory.stat().st_mode & 0o7777 == 0o600
    again.forget()
    assert FormerFiles(memory).all() == () and not memory.exists()


def test_what_was_not_there_goes(memory: Path, theirs: Path) -> None:
    kept = FormerFiles(memory)
    kept.keep(theirs)
    theirs.write_text("ours\n")
    put_back(FormerFiles(memory).all()[0])
    assert not theirs.exists()


def test_a_link_is_one_again(memory: Path, theirs: Path) -> None:
    """As /etc/resolv.conf often is."""
    theirs.symlink_to("../run/stub-resolv.conf")
    FormerFiles(memory).keep(theirs)
    theirs.unlink()
    theirs.write_text("ours\n")
    put_back(FormerFiles(memory).all()[0])
    assert str(theirs.readlink()) == "../run/stub-resolv.conf"


def test_on_a_machine_of_ours_and_of_other_files_nothing_is_kept(memory: Path, theirs: Path) -> None:
    theirs.touch()
    FormerFiles(None).keep(theirs)
    FormerFiles(memory).keep(theirs.with_name("another"))
    assert not memory.exists()


def test_a_damaged_memory_is_none(memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text('{"path": "/etc/x", "content": null, "mode": 420, "link": ""}\n{"pa')
    assert [str(each.path) for each in FormerFiles(memory).all()] == ["/etc/x"]
    memory.write_text(json.dumps(["nonsense"]) + "\n\n")
    assert FormerFiles(memory).all() == ()


@pytest.mark.parametrize("name", ["gateway", "gadget", "gadget-offline"])
def test_all_files_of_others_that_are_written_are_known(name: str) -> None:
    appliance = load(EXAMPLES / f"{name}.yaml").appliance
    owned = [str(pattern) for module in RENDERED for pattern in module.OWNED]
    written = [file.path for module in RENDERED for file in module.files(appliance, Facts())]
    foreign = {path for path in written if not any(path.match(pattern) for pattern in owned)}
    assert foreign | {*WANTED, HOSTNAME} <= set(TAKEN)
