"""Stamping that cannot be done, or is broken off: what is said, and what is left."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from appliance.errors import PermanentError
from image import output
from image.disk import fat
from image.stamp.device import OWN, SUMS
from image.stamp.frames import frames
from tests.image.built import EXAMPLES, Built, config
from tests.image.raspberry import TRIXIE
from tests.image.stamping import in_frames, stamped, whole

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return Built(tmp_path_factory.mktemp("image")).make()


def test_all_problems_of_all_files_are_told_before_anything_is_written(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [config("a", "uplnk: {}\n"), config("good"), b"profile: gateway\nhostname: -b-\nfoo: 1\n"]
    assert stamped(image, tmp_path, *wrong, options=("--config", str(tmp_path / "missing.yaml"))) == 2
    told = capsys.readouterr().err
    line = len(wrong[0].splitlines())
    places = (
        f"config-0.yaml:{line}:1: ",
        "config-2.yaml:2:11: ",
        "config-2.yaml:3:1: ",
        "missing.yaml:1:1: cannot be read",
    )
    for place in places:
        assert f"{tmp_path}/{place}" in told
    assert "config-1.yaml" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [("pi", "pi"), ("pi", "other", "PI")])
def test_two_devices_of_one_name_are_refused(
    names: tuple[str, ...], image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamped(image, tmp_path, *(config(name) for name in names)) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path}/config-0.yaml and {tmp_path}/config-{len(names) - 1}.yaml ({names[-1]})" in told
    assert "hint: give each a hostname of its own" in told
    assert not (tmp_path / "out").exists()


def test_a_configuration_for_another_profile_is_refused(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamped(image, tmp_path, (EXAMPLES / "gadget.yaml").read_bytes()) == 2
    assert "config-0.yaml is for the profile gadget, and" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def damage(image: Path, file: Path) -> None:
    """Frames of which one of the FAT partition has a checksum that is not its own."""
    packed = bytearray(in_frames(image))
    file.write_bytes(packed)
    packed[frames(file)[3].at - 1] ^= 0xFF
    file.write_bytes(packed)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda image, file: None, "does not exist"),
        (lambda image, file: file.mkdir(), "is not a file"),
        (lambda image, file: file.write_bytes(b"no image" * 1000), "has no partition table"),
        (lambda image, file: file.write_bytes(image.read_bytes()[: 60 << 20]), "is cut short"),
        (lambda image, file: file.write_bytes(zstandard.compress(image.read_bytes(), 1)[:-100]), "is cut short"),
        (lambda image, file: file.write_bytes(zstandard.compress(b"no image" * 1000)), "has no partition table"),
        (lambda image, file: file.write_bytes(in_frames(image)[:-100]), "is cut short"),
        (lambda image, file: file.write_bytes(zstandard.compress(b"no image" * 1000) * 3), "has no partition table"),
        (damage, "is damaged"),
        (lambda image, file: file.write_bytes(b""), "has no partition table"),
    ],
)
def test_what_is_no_image_is_refused(
    make: object, said: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(make)
    make(image, tmp_path / "given.img")
    assert stamped(tmp_path / "given.img", tmp_path, config("pi")) == 2
    told = capsys.readouterr().err
    assert f"error: {tmp_path / 'given.img'} {said}" in told
    assert "hint: " in told
    assert not list((tmp_path / "out").iterdir() if (tmp_path / "out").exists() else ())


def changed_behind_the_fat_partition(image: Path, file: Path) -> int:
    """Write the image in frames, its checksum beside it; then change one byte of a frame that is copied as it is."""
    file.write_bytes(in_frames(image))
    sums = f"{'0' * 64}  other.img\n{sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
    file.with_name("given.sha256").write_text(sums)
    at = frames(file)[-1].at + 100
    with file.open("r+b") as writer:
        writer.seek(at)
        [byte] = writer.read(1)
        writer.seek(at)
        writer.write(bytes([byte ^ 1]))
    return at


def test_an_image_that_is_not_what_its_checksum_says_is_refused(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "given.img.zst"
    changed_behind_the_fat_partition(image, packed)
    assert stamped(packed, tmp_path, config("pi")) == 2
    told = capsys.readouterr().err
    assert f"error: {packed} is not what given.sha256 beside it says: it is damaged, or was changed" in told
    assert "hint: build it again" in told
    assert list((tmp_path / "out").iterdir()) == []
    packed.write_bytes(in_frames(image))
    assert stamped(packed, tmp_path, config("pi")) == 0


def test_where_no_checksum_tells_what_is_copied_keeps_that_of_its_frames(image: Path, tmp_path: Path) -> None:
    packed = tmp_path / "given.img.zst"
    changed_behind_the_fat_partition(image, packed)
    packed.with_name("given.sha256").write_text(f"{'0' * 64}  other.img.zst\n")
    assert stamped(packed, tmp_path, config("pi")) == 0
    with pytest.raises(PermanentError, match="zstd"):
        whole(tmp_path / "out/pi", tmp_path)


def test_an_image_that_is_not_ours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stamped(TRIXIE.make(tmp_path), tmp_path, config("pi")) == 2
    assert "raspios.img has no appliance.yaml on its first partition" in capsys.readouterr().err


def test_what_is_there_is_replaced_as_a_whole(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stamped(image, tmp_path, config("one"), config("two")) == 0
    two = {file.name: (file.stat().st_ino, file.read_bytes()) for file in (tmp_path / "out/two").iterdir()}
    one = (tmp_path / "out/one" / OWN).read_bytes()
    put = fat.put

    def broken(file: Path, source: Path, name: str, epoch: int) -> None:
        if b"hostname: two" in source.read_bytes():
            raise PermanentError("mcopy failed")
        put(file, source, name, epoch)

    monkeypatch.setattr(fat, "put", broken)
    assert stamped(image, tmp_path, config("one", "# changed\n"), config("two", "# changed\n")) == 1
    assert (tmp_path / "out/one" / OWN).read_bytes() != one
    assert {f.name: (f.stat().st_ino, f.read_bytes()) for f in (tmp_path / "out/two").iterdir()} == two
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["one", "two"]


def test_a_new_single_file_is_never_beside_the_checksum_of_the_old_one(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stamped(image, tmp_path, config("pi"), options=("--single",)) == 0
    before = (tmp_path / "out/pi.img.zst").read_bytes()
    written = output.written

    def broken(path: Path, *, private: bool = False) -> AbstractContextManager[Path]:
        if path.suffix == ".sha256":
            raise PermanentError("no more")
        return written(path, private=private)

    monkeypatch.setattr(output, "written", broken)
    assert stamped(image, tmp_path, config("pi", "# changed\n"), options=("--single",)) == 1
    assert (tmp_path / "out/pi.img.zst").read_bytes() != before
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["pi.img.zst"]


def test_what_was_not_stamped_is_not_replaced(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out/pi").mkdir(parents=True)
    (tmp_path / "out/pi/notes.txt").write_text("mine")
    (tmp_path / "out/file").write_text("mine")
    for name, said in (("pi", "has more in it than a stamped image: notes.txt"), ("file", "a folder is to be there")):
        assert stamped(image, tmp_path, config("other"), config(name)) == 2
        assert said in capsys.readouterr().err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["file", "pi"]
    assert (tmp_path / "out/pi/notes.txt").read_text() == "mine"


def test_what_a_killed_run_left_is_removed_but_not_what_another_one_works_on(image: Path, tmp_path: Path) -> None:
    for name in ("killed", "working"):
        (tmp_path / f"out/.appliance-stamp-{name}/device").mkdir(parents=True)
    held = os.open(tmp_path / "out/.appliance-stamp-working", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert stamped(image, tmp_path, config("pi")) == 0
    os.close(held)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [".appliance-stamp-working", "pi"]


def test_killed_at_any_device_all_that_are_there_are_whole_and_the_next_run_finishes(
    image: Path, tmp_path: Path
) -> None:
    configs = [tmp_path / f"pi{number}.yaml" for number in range(40)]
    for file in configs:
        file.write_bytes(config(file.stem))
    out = tmp_path / "out"
    words = ["stamp", image, "--config", *configs, "-o", out, "--json"]
    argv = [sys.executable, "-m", "appliance", *map(str, words)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["event"] == "stamped":
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    made = [folder for folder in out.iterdir() if not folder.name.startswith(".")]
    assert 0 < len(made) < len(configs)
    for folder in made:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)
    subprocess.run(argv, check=True, capture_output=True)
    assert sorted(folder.name for folder in out.iterdir()) == sorted(file.stem for file in configs)


def test_where_files_cannot_be_linked_the_way_out_is_told(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on exFAT, which is not to be had here."""

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert stamped(image, tmp_path, config("pi")) == 2
    told = capsys.readouterr().err
    assert f"error: {tmp_path / 'out'} is on a file system that cannot link files" in told
    assert "--single" in told
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("mebibytes", [4, 20])
def test_a_full_disk_is_said_and_leaves_nothing(mebibytes: int, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    image = Built(folder, replace(TRIXIE, boot_sectors=50 * 2048)).make()
    with image.open("r+b") as file:
        file.seek(-(30 << 20), os.SEEK_END)
        file.write(os.urandom(30 << 20))
    (tmp_path / "pi.yaml").write_bytes(config("pi"))
    (tmp_path / "out").mkdir()
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-auto", "--map-root-user", "--mount"]
    command = [sys.executable, "-m", "tests.image.on_a_small_disk", str(mebibytes), str(tmp_path / "out"), "stamp"]
    words = [image, "--config", tmp_path / "pi.yaml", "-o", tmp_path / "out"]
    done = subprocess.run([*own, *command, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "the disk is full" in done.stderr
    assert done.stdout.splitlines() == ["mine.txt"]
