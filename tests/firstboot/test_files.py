"""Files are replaced as a whole; somebody else's stay what and whose they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from firstboot import files


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A file that somebody keeps elsewhere, and a link to a link to it."""
    target = tmp_path / "kept/interfaces"
    target.parent.mkdir()
    target.write_text("auto lo\n")
    target.chmod(0o640)
    (tmp_path / "link").symlink_to("kept/interfaces")
    (tmp_path / "interfaces").symlink_to(tmp_path / "link")
    return tmp_path / "interfaces"


def test_a_link_to_somebody_elses_file_still_leads_to_it(theirs: Path, tmp_path: Path) -> None:
    before = (tmp_path / "kept/interfaces").stat()
    files.amend(theirs, b"auto eth0\n")
    target = tmp_path / "kept/interfaces"
    assert theirs.is_symlink() and (tmp_path / "link").is_symlink()
    assert target.read_text() == "auto eth0\n"
    assert target.stat().st_mode & 0o7777 == 0o640
    assert target.stat().st_ino != before.st_ino, "it is not replaced as a whole"
    assert sorted(path.name for path in target.parent.iterdir()) == ["interfaces"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_stays_its_owners(theirs: Path) -> None:
    os.chown(theirs, 4711, 4712)
    files.amend(theirs, b"")
    assert (theirs.stat().st_uid, theirs.stat().st_gid) == (4711, 4712)


def test_one_that_is_gone_is_not_made_anew(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "kept/interfaces").unlink()
    with pytest.raises(PermanentError, match="interfaces cannot be written: No such file"):
        files.amend(theirs, b"")
    assert list((tmp_path / "kept").iterdir()) == []


def test_one_of_ours_is_replaced_whatever_is_there(theirs: Path, tmp_path: Path) -> None:
    files.replace(theirs, b"ours", 0o600)
    assert not theirs.is_symlink()
    assert (tmp_path / "kept/interfaces").read_text() == "auto lo\n"
