"""Whatever is wrong with what a command is given: one message, one hint, the exit code that was promised, no traceback.

Disks that are refused are in test_flash_refused.py, disks that are full while an image is made in test_build.py and
test_stamp_refused.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from image.recipe import PROJECT
from tests.image.flashing import content

pytestmark = pytest.mark.programs

FAILED, WRONG_INPUT = 1, 2

EXAMPLE = str(PROJECT / "tests/appliance/examples/gateway.yaml")
WRONG_FILES = ("binary", "empty", "folder", "missing", "empty/below", "mistaken.yaml")
"""What is given in place of the file that is meant."""

FILES: dict[str, Sequence[str]] = {
    "check": ("check", "FILE"),
    "init from": ("init", "gateway", "--from-he", "FILE", "-o", "new.yaml"),
    "build with": ("build", "--config", "FILE", "-o", "out", "--cache", "cache"),
    "build on": ("build", "--base", "FILE", "-o", "out", "--cache", "cache", "--mirror", "http://mirror.test/debian"),
    "flash": ("flash", "FILE", "disk.img", "--force"),
    "flash with": ("flash", "image.img", "disk.img", "--force", "--config", "FILE"),
    "flash onto": ("flash", "image.img", "FILE", "--force"),
    "stamp": ("stamp", "FILE", "--config", EXAMPLE, "-o", "out"),
    "stamp with": ("stamp", "image.img", "--config", "FILE", "-o", "out"),
    "plan": ("plan", "FILE"),
}
NOT_FOLDERS = ("empty", "empty/below", "/proc/1/nothing")
FOLDERS: dict[str, Sequence[str]] = {
    "build into": ("build", "-o", "FOLDER", "--cache", "cache"),
    "build by": ("build", "--cache", "FOLDER"),
    "stamp into": ("stamp", "image.img", "--config", EXAMPLE, "-o", "FOLDER"),
    "deb into": ("deb", "-o", "FOLDER"),
    "cache in": ("cache", "verify", "--cache", "FOLDER"),
    "init into": ("init", "gateway", "-o", "FOLDER"),
}
CALLS: dict[str, Sequence[str]] = {
    "no such command": ("biuld",),
    "a command that is nothing": ("",),
    "no such option": ("build", "--quickly"),
    "a word too many": ("schema", "please"),
    "an argument is missing": ("stamp", "image.img"),
    "no such board": ("build", "--board", "1"),
    "no such profile": ("init", "router"),
    "no such format": ("build", "--format", "gz"),
    "no such shell": ("completion", "tcsh"),
    "no such part of a command": ("firewall", "open"),
    "not a SHA-256": ("build", "--base", "image.img", "--sha256", "abc"),
    "not a mirror": ("build", "--mirror", "ftp://mirror.test"),
    "not a number": ("logs", "-n", "many"),
}
ON_THE_DEVICE: dict[str, Sequence[str]] = {
    "status": ("status",),
    "status for programs": ("status", "--json"),
    "plan": ("plan",),
    "explain": ("explain", "tunnel"),
    "apply": ("apply",),
    "confirm": ("confirm",),
    "firewall explain": ("firewall", "explain"),
    "firewall test": ("firewall", "test", "--from", "outside", "--to", "box", "--port", "tcp/22"),
}
NEEDED = {
    "dpkg-deb": ("deb", "-o", "out"),
    "systemctl": ("status",),
    "journalctl": ("logs",),
}

Appliance = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a file of each sort."""
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "mistaken.yaml").write_text("profile: gateway\nuplnk: {}\n")
    (tmp_path / "image.img").write_bytes(content(1 << 16))
    with (tmp_path / "disk.img").open("wb") as disk:
        disk.truncate(1 << 32)
    return tmp_path


def called(folder: Path, *words: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    argv = [*before, sys.executable, "-m", "appliance", *words]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environment.pop("APPLIANCE_TRACEBACK", None)
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


PROBLEM = re.compile(r"\S+:\d+:\d+: (?!warning).+ \(.+\)")
ASIDE = re.compile(r"[a-z_]+: ([\d.]+ s|failed)|--force: .*|warning: .*|\S+: warning: .*")
"""How far it is, and warnings."""


def contents(folder: Path) -> dict[str, int]:
    """The files that are there, with when each was changed; what builds keep aside."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.stat().st_mtime_ns for path in files if not path.is_relative_to(folder / "cache")}


def must_be_told(done: subprocess.CompletedProcess[str], code: int) -> None:
    """One message with one hint; or each mistake of a file, where it is and what is right, and their number."""
    lines = [line for line in done.stderr.splitlines() if not ASIDE.fullmatch(line)]
    assert done.returncode == code, done.stderr
    assert "this is a bug" not in done.stderr
    if lines and lines[0].startswith("error: "):
        message, hint = lines
        assert len(message) > len("error: ") and hint.startswith("hint: ") and len(hint) > len("hint: ")
        return
    *problems, count = lines
    assert problems and all(PROBLEM.fullmatch(line) for line in problems), done.stderr
    assert count == f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"


@pytest.mark.parametrize("file", WRONG_FILES)
@pytest.mark.parametrize("use", FILES)
def test_a_wrong_file(use: str, file: str, folder: Path) -> None:
    before = contents(folder)
    done = called(folder, *(file if word == "FILE" else word for word in FILES[use]))
    must_be_told(done, WRONG_INPUT)
    assert contents(folder) == before, "nothing is half-written"


@pytest.mark.parametrize("place", NOT_FOLDERS)
@pytest.mark.parametrize("use", FOLDERS)
def test_a_wrong_folder(use: str, place: str, folder: Path) -> None:
    must_be_told(called(folder, *(place if word == "FOLDER" else word for word in FOLDERS[use])), WRONG_INPUT)


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call(call: str, folder: Path) -> None:
    must_be_told(called(folder, *CALLS[call]), WRONG_INPUT)


@pytest.mark.parametrize("call", ON_THE_DEVICE)
def test_there_is_no_daemon(call: str, folder: Path) -> None:
    done = called(folder, *ON_THE_DEVICE[call])
    must_be_told(done, FAILED)
    assert "the daemon does not run" in done.stderr


WITHOUT = """\
mkdir layer && mount -t tmpfs tmpfs layer && mkdir layer/upper layer/work || exit 9
mount -t overlay -o lowerdir=/usr/bin,upperdir=layer/upper,workdir=layer/work overlay /usr/bin || exit 9
rm "$1"; shift; exec "$@"
"""


def in_a_namespace() -> list[str]:
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-auto", "--map-root-user"])]


@pytest.mark.parametrize("program", NEEDED)
def test_a_program_is_missing(program: str, folder: Path) -> None:
    """Those of a build are in test_missing_programs.py."""
    found = shutil.which(program)
    assert found is not None
    done = called(folder, *NEEDED[program], before=[*in_a_namespace(), "sh", "-c", WITHOUT, "sh", found])
    must_be_told(done, FAILED if program != "dpkg-deb" else WRONG_INPUT)
    assert program in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [(("schema",), FAILED), (("init", "gateway", "-o", "-"), FAILED), (("completion", "bash"), FAILED)],
)
def test_there_is_no_room_for_what_is_printed(words: Sequence[str], code: int, folder: Path) -> None:
    must_be_told(called(folder, *words, before=["sh", "-c", 'exec "$@" > /dev/full', "sh"]), code)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("init", "gateway", "-o", "small/a.yaml"), FAILED), (("deb", "-o", "small"), WRONG_INPUT)],
)
def test_there_is_no_room_for_a_file(words: Sequence[str], code: int, folder: Path) -> None:
    (folder / "small").mkdir()
    full = 'mount -t tmpfs -o size=4k tmpfs small; head -c 4k /dev/zero > small/zeros; exec "$@"'
    must_be_told(called(folder, *words, before=[*in_a_namespace(), "sh", "-c", full, "sh"]), code)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/tty", "/dev/nothing", "/", "image.img"])
def test_a_wrong_device(device: str, folder: Path) -> None:
    """Disks are in test_flash_refused.py: here are none that may be tried."""
    must_be_told(called(folder, "flash", "image.img", device, "--force"), WRONG_INPUT)
