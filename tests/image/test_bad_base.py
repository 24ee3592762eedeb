"""A base that is broken, given to the command: one message about the user's own file, one hint, exit code 2."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import cli
from image.disk.layout import SECTOR_BYTES
from image.run import run
from tests.image.raspberry import TRIXIE, Raspberry

pytestmark = pytest.mark.programs


def packed(image: Path, name: str, data: bytes) -> Path:
    file = image.with_name(name)
    file.write_bytes(data)
    return file


def truncated_xz(image: Path) -> Path:
    data = lzma.compress(image.read_bytes(), preset=0)
    return packed(image, "raspios.img.xz", data[: len(data) // 2])


def truncated_image(image: Path) -> Path:
    os.truncate(image, image.stat().st_size - (60 << 20))
    return image


def text_file(image: Path) -> Path:
    return packed(image, "notes.txt", b"not an image\n" * 1000)


def one_partition(image: Path) -> Path:
    table = bytearray(image.read_bytes()[: 1 << 20])
    table[446 + 16 : 446 + 32] = bytes(16)  # the second entry of the MBR
    return packed(image, "one.img.gz", gzip.compress(bytes(table), 1))


def flipped_size(image: Path) -> Path:
    """A bit of a file's size has changed: it is larger than any file can be."""
    device = f"{image}?offset={TRIXIE.layout.root_start * SECTOR_BYTES}"
    flip = f"write {__file__} flipped\nset_inode_field flipped size 0x7000000000000000\n"
    run(["debugfs", "-w", "-f", "-", device], stdin=flip)
    return image


def broken_fat(image: Path) -> Path:
    """Its boot sector is there, but says that there is no FAT."""
    with image.open("r+b") as file:
        file.seek(TRIXIE.layout.boot_start * SECTOR_BYTES + 16)
        file.write(b"\0")
    return image


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (truncated_xz, "raspios.img.xz is cut short"),
        (truncated_image, "raspios.img is cut short"),
        (text_file, "notes.txt has no partition table"),
        (flipped_size, "the second partition of BASE has no readable ext4"),
        (broken_fat, "the first partition of BASE cannot be read"),
        (one_partition, "one.img.gz does not have an MBR with two partitions"),
    ],
)
def test_the_users_own_file_is_named_and_nothing_left(
    broken: Callable[[Path], Path], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, cache = broken(TRIXIE.make(tmp_path)), tmp_path / "cache"
    code = cli.main(["build", "--base", str(base), "--cache", str(cache), "-o", str(tmp_path / "out")])
    errors = capsys.readouterr().err
    assert code == 2
    assert said.replace("BASE", str(base)) in errors
    assert str(cache) not in errors
    assert errors.count("hint:") == 1
    assert not (tmp_path / "out").exists()
    assert not list((cache / "work").iterdir())


def test_on_a_terminal_the_error_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    base, (ours, theirs) = truncated_xz(TRIXIE.make(tmp_path)), pty.openpty()
    words: list[str | Path] = ["build", "--base", base, "--cache", tmp_path / "cache", "-o", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-m", "appliance", *words], stderr=theirs, check=False)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other side open
        while chunk := os.read(ours, 1 << 16):
            told += chunk
    os.close(ours)
    before, _, _ = told.partition(b"error:")
    assert done.returncode == 2
    assert b"decompressed: " in before
    assert before.removesuffix(b"\x1b[31m").endswith((b"\n", b"\r\x1b[K"))


def test_a_wrong_digest_names_the_right_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = TRIXIE.make(tmp_path)
    arguments = ["--base", str(base), "--sha256", "0" * 64, "--cache", str(tmp_path / "cache"), "-o", str(tmp_path)]
    assert cli.main(["build", *arguments]) == 2
    assert "its SHA-256 is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("release", "said"), [("buster", "the release 'buster'"), ("bullseye", "Python 3.9 is too old")]
)
def test_a_release_that_cannot_be_used_is_said(
    release: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Raspberry(release=release).make(tmp_path)
    arguments = ["--base", str(base), "--cache", str(tmp_path / "cache"), "-o", str(tmp_path)]
    assert cli.main(["build", *arguments]) == 2
    assert said in capsys.readouterr().err
