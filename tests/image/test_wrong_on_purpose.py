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
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.model import Profile
from image.lab.session import places
from image.lab.session.examples import EXAMPLES
from image.recipe import PROJECT
from tests.image.flashing import content, mapped
from tests.lab.images import partitioned

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
    "lab": ("lab", "FILE"),
    "lab with": ("lab", "appliance-gateway-arm64.img", "--config", "FILE"),
}
NOT_FOLDERS = ("empty", "empty/below", "/proc/1/nothing")
FOLDERS: dict[str, Sequence[str]] = {
    "build into": ("build", "-o", "FOLDER", "--cache", "cache"),
    "build by": ("build", "--cache", "FOLDER"),
    "stamp into": ("stamp", "image.img", "--config", EXAMPLE, "-o", "FOLDER"),
    "deb into": ("deb", "-o", "FOLDER"),
    "cache in": ("cache", "verify", "--cache", "FOLDER"),
    "init into": ("init", "gateway", "-o", "FOLDER"),
    "lab with logs in": ("lab", "appliance-gateway-arm64.img", "--logs", "FOLDER"),
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
    "no such verb": ("lab", "statsu"),
    "no such machine": ("lab", "image.img", "--machine", "raspi9"),
    "a time for nothing": ("lab", "image.img", "--timeout", "5"),
    "no lab runs": ("lab", "status"),
    "not a name for a lab": ("lab", "appliance-gateway-arm64.img", "--name", "My Lab"),
    "an image of somebody else's": ("lab", "raspios.img"),
    "another profile": ("lab", "appliance-gadget-arm64.img", "--config", EXAMPLE),
}
ON_THE_DEVICE: dict[str, Sequence[str]] = {
    "status": ("status",),
    "status for programs": ("status", "--json"),
    "plan": ("plan",),
    "explain": ("explain", "tunnel"),
    "apply": ("apply",),
    "confirm": ("confirm",),
    "firewall explain": ("firewall", "explain"),
    "logs": ("logs",),
    "logs that come": ("logs", "--follow"),
    "firewall test": ("firewall", "test", "--from", "outside", "--to", "box", "--port", "tcp/22"),
}
NEEDED = {
    "dpkg-deb": ("deb", "-o", "out"),
    "systemctl": ("status",),
    "journalctl": ("logs",),
    "qemu-system-aarch64": ("lab", "appliance-gateway-arm64.img"),
}
ON_ANY_PI = ("systemctl", "journalctl")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two that the lab would take, by what can be seen of them at once; and one without our file."""
    folder = tmp_path_factory.mktemp("images")
    partitioned(tmp_path_factory.mktemp("image"), {"config.txt": ""}).rename(folder / "raspios.img")
    for profile in (Profile.GATEWAY, Profile.GADGET):
        files = {"appliance.yaml": EXAMPLES[profile], "config.txt": "", "kernel8.img": "of 64 bits".ljust(64)}
        made = partitioned(tmp_path_factory.mktemp("image"), files)
        made.rename(folder / f"appliance-{profile}-arm64.img")
    return folder


@pytest.fixture
def folder(tmp_path: Path, images: Path) -> Path:
    """With a file of each sort."""
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "mistaken.yaml").write_text("profile: gateway\nuplnk: {}\n")
    (tmp_path / "image.img").write_bytes(content(1 << 16))
    for image in images.iterdir():
        (tmp_path / image.name).hardlink_to(image)
    with (tmp_path / "disk.img").open("wb") as disk:
        disk.truncate(1 << 32)
    return tmp_path


def called(folder: Path, *words: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    argv = [*before, sys.executable, "-m", "appliance", *words]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "XDG_RUNTIME_DIR": str(folder)}  # of no lab
    environment.pop("APPLIANCE_TRACEBACK", None)
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


PROBLEM = re.compile(r"\S+:\d+:\d+: (?!warning).+ \(.+\)")
ASIDE = re.compile(r"[a-z_]+: ([\d.]+ s +.*|failed)|--force: .*|warning: .*|\S+: warning: .*")
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
    told = "in the journal here" if call.startswith("logs") else "the daemon does not run"
    assert told in done.stderr
    assert "ssh pi@NAME.local" in done.stderr


@pytest.mark.parametrize("place", ["/nonexistent", "/proc/1", "FOLDER/empty", f"FOLDER/{'long' * 20}"])
@pytest.mark.parametrize("words", [("status",), ("appliance-gateway-arm64.img",)])
def test_labs_have_no_place(words: Sequence[str], place: str, folder: Path) -> None:
    """As after `su`, which leaves the variable as it was."""
    runtime = Path(place.replace("FOLDER", str(folder)))
    if runtime.is_relative_to(folder) and runtime.name != "empty":
        runtime.mkdir()
    done = called(folder, "lab", *words, before=["env", f"XDG_RUNTIME_DIR={runtime}"])
    must_be_told(done, WRONG_INPUT)
    assert "XDG_RUNTIME_DIR" in done.stderr or words == ("status",)


WITHOUT = """\
mkdir layer && mount -t tmpfs tmpfs layer && mkdir layer/upper layer/work || exit 9
mount -t overlay -o lowerdir=/usr/bin,upperdir=layer/upper,workdir=layer/work overlay /usr/bin || exit 9
rm "$1"; shift; exec "$@"
"""


def in_a_namespace() -> list[str]:
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-auto", "--map-root-user"])]


@pytest.mark.parametrize("program", NEEDED)
def test_a_program_is_missing(program: str, folder: Path) -> None:
    """Those of a build are in test_missing_programs.py. What is on any Pi, no one can install."""
    found = shutil.which(program)
    assert found is not None
    done = called(folder, *NEEDED[program], before=[*in_a_namespace(), "sh", "-c", WITHOUT, "sh", found])
    must_be_told(done, FAILED if program in ON_ANY_PI else WRONG_INPUT)
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


def test_what_lies_beside_an_image_is_none(folder: Path) -> None:
    """And the image is told, though the block map is not of a file of that size."""
    for name in ("made.img", "made.v2.img"):
        image = folder / name
        image.write_bytes(content(1 << 16))
        for beside in (mapped(image), image.with_suffix(".sha256")):
            beside.touch()
            done = called(folder, "flash", beside.name, "disk.img", "--force")
            must_be_told(done, WRONG_INPUT)
            if beside.stat().st_size:
                assert (
                    f"error: {beside.name} is no image of a disk\nhint: give the image beside it: {name}" in done.stderr
                )


@pytest.mark.parametrize("use", ["check", "build with", "flash with", "stamp with", "lab with"])
def test_a_configuration_that_is_far_too_large(use: str, folder: Path) -> None:
    """Nobody reads all of it to say so."""
    with (folder / "large.yaml").open("wb") as file:
        file.truncate(1 << 40)
    done = called(folder, *("large.yaml" if word == "FILE" else word for word in FILES[use]))
    assert "large.yaml:1:1: the file is too large (at most 131072 bytes)\n" in done.stderr
    assert done.returncode == WRONG_INPUT


def test_a_file_of_the_brokers_is_missing(folder: Path) -> None:
    said = called(folder, "init", "gateway", "--from-he", "he.txt").stderr
    assert "error: he.txt: No such file or directory\nhint: log in at tunnelbroker.net; save what " in said


def test_the_folder_for_temporary_files_is_not_there(folder: Path) -> None:
    """Python takes another one then; dpkg-deb would not."""
    done = called(folder, "deb", "-o", "out", before=["env", "TMPDIR=/nonexistent"])
    assert done.returncode == 0, done.stderr


def test_a_lab_that_is_given_nothing_tells_what_it_takes(folder: Path) -> None:
    done = called(folder, "lab")
    must_be_told(done, WRONG_INPUT)
    assert "`appliance lab IMAGE`" in done.stderr and "verbs: run, status, shell, " in done.stderr


def test_a_lab_tells_the_name_of_what_is_no_image(folder: Path) -> None:
    """And not that of a copy."""
    assert "error: binary is no image of a disk\n" in called(folder, "lab", "binary").stderr


def test_there_is_no_room_for_a_card(folder: Path) -> None:
    """Where temporary files are, which is not where the image is."""
    (folder / "small").mkdir()
    small = 'mount -t tmpfs -o size=8m tmpfs small; TMPDIR=$PWD/small exec "$@"'
    done = called(folder, "lab", "appliance-gateway-arm64.img", before=[*in_a_namespace(), "sh", "-c", small, "sh"])
    must_be_told(done, WRONG_INPUT)
    assert f"make room where {folder / 'small'} is" in done.stderr


COPY = f"""
from pathlib import Path
from appliance import parse
from appliance.errors import InputError
from image.flash.original import original
from image.lab.session.flashed import flashed
from image.lab.session.given import Given
try:
    given = Given(original(Path("large.img")), False, parse.load(Path("{EXAMPLE}")).appliance, b"")
    flashed(given, Path("small"), lambda _: None)
except InputError as error:
    print(error.message, error.hint, sep="\\n")
"""


def test_there_is_no_room_for_a_card_any_more(folder: Path) -> None:
    """While it is copied."""
    (folder / "small").mkdir()
    (folder / "large.img").write_bytes(os.urandom(1 << 24))
    small = f'mount -t tmpfs -o size=8m tmpfs small; TMPDIR=$PWD/small PYTHONPATH={PROJECT} exec "$@"'
    argv = [*in_a_namespace(), "sh", "-c", small, "sh", sys.executable, "-c", COPY]
    message, hint = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    assert message.startswith("the disk is full: ")
    assert hint == f"make room where {folder / 'small'} is, or set TMPDIR to a folder that has it"


def test_an_image_that_is_wrong_is_told_before_another_lab_that_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        with places.claimed("lab", lambda _: None):
            for image, said in (("missing.img", "does not exist"), ("appliance-gateway-arm64.img", "lab is running")):
                done = called(folder, "lab", image, before=["env", f"XDG_RUNTIME_DIR={short}"])
                must_be_told(done, WRONG_INPUT)
                assert said in done.stderr


@pytest.mark.parametrize("device", ["/dev/null", "/dev/tty", "/dev/nothing", "/", "image.img"])
def test_a_wrong_device(device: str, folder: Path) -> None:
    """Disks are in test_flash_refused.py: here are none that may be tried."""
    must_be_told(called(folder, "flash", "image.img", device, "--force"), WRONG_INPUT)
