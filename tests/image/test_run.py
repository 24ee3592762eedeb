from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from image.run import run, running

pytestmark = pytest.mark.programs


def test_returns_what_was_printed_in_a_fixed_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "no_NO.UTF-8")
    assert run(["printenv", "LC_ALL"]) == "C\n"


def test_stdin_is_closed_unless_given() -> None:
    assert run(["cat"]) == ""
    assert run(["cat"], stdin="words") == "words"


def test_a_failure_shows_the_command_and_its_last_lines() -> None:
    with pytest.raises(PermanentError) as caught:
        run(["ls", "--", "/no such folder"])
    assert "ls -- '/no such folder' failed with exit code 2" in caught.value.message
    assert "No such file or directory" in caught.value.message


def test_a_failure_of_a_long_command_shows_where_it_begins() -> None:
    with pytest.raises(PermanentError, match=r"^dpkg --unpack 1 2 3 4 5 6 7 8 9 10 … \(190 more\) failed with exit"):
        run(["env", "LC_ALL=C", "false"], called=["dpkg", "--unpack", *map(str, range(1, 201))])


def test_a_log_is_appended_to_and_only_the_new_part_returned(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(["echo", "one"], log=log)
    assert run(["echo", "two"], log=log) == "two\n"
    assert log.read_text() == "one\ntwo\n"


def test_a_failure_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        run(["false"], log=tmp_path / "log")
    assert str(tmp_path / "log") in caught.value.hint


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(InputError) as caught:
        run(["mcopy"])
    assert "mcopy is not installed" in caught.value.message
    assert caught.value.hint == "sudo apt-get install mtools"


def test_the_administrators_programs_are_found_without_their_folder_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert "mke2fs" in run(["sh", "-c", "command -v mke2fs"])


def test_what_runs_beside_is_ended_also_if_it_will_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(["sh", "-c", "trap '' TERM; echo ready; exec sleep 100"], log=log, grace_s=0.1) as child:
        while not log.read_text():
            time.sleep(0.01)
    assert child.returncode == -9
