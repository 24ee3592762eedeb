"""The guest's verdict finds what is wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from image.lab import verdict


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which everything is right."""
    (tmp_path / "status.json").write_text('{"state": "ready"}')
    monkeypatch.setattr(verdict, "STATUS", tmp_path / "status.json")
    monkeypatch.setattr(verdict, "INITRD_GIVEN", tmp_path)
    monkeypatch.setattr(verdict, "INITRD_USED", tmp_path)
    monkeypatch.setattr(verdict, "root_driver_is_a_module", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    verdict.main(0.1)
    found = json.loads(capsys.readouterr().out)
    return found["verdict"], found["reasons"]


def test_ready(well: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys) == ("ready", [])


def test_not_ready(well: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (well / "status.json").write_text('{"state": "waiting"}')
    word, reasons = printed(capsys)
    assert word == "waiting"
    assert "appliance status: waiting" in reasons


def test_silent(well: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (well / "status.json").unlink()
    assert printed(capsys)[0] == "silent"


@pytest.mark.parametrize("name", ["INITRD_GIVEN", "INITRD_USED"])
def test_no_initrd(well: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(verdict, name, well / "missing")
    word, [reason] = printed(capsys)
    assert word == "failed"
    assert "initrd" in reason


def test_root_driver_built_in(well: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "root_driver_is_a_module", lambda: False)
    assert printed(capsys)[0] == "failed"


def test_failed_unit(well: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="ufw.service loaded failed\n"))
    assert printed(capsys) == ("failed", ["failed: ufw.service loaded failed"])
