from __future__ import annotations

import gzip
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from appliance.errors import InputError
from image.disk.decompress import decompress, kind_of

IMAGE = random.Random(1).randbytes(300_000) + bytes(3 << 20) + random.Random(2).randbytes(70_001)


def zipped(folder: Path, data: bytes, *names: str) -> bytes:
    file = folder / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return file.read_bytes()


PACKERS: dict[str, Callable[[Path], bytes]] = {
    "xz": lambda _: lzma.compress(IMAGE),
    "zst": lambda _: zstandard.compress(IMAGE),
    "gz": lambda _: gzip.compress(IMAGE),
    "zip": lambda folder: zipped(folder, IMAGE, "2025-05-13-raspios.img", "readme.txt"),
}


def unpack(data: bytes, folder: Path) -> bytes:
    (folder / "packed").write_bytes(data)
    decompress(folder / "packed", folder / "image", lambda done, total: None)
    return (folder / "image").read_bytes()


@pytest.mark.parametrize("kind", PACKERS)
def test_what_was_packed_comes_out(kind: str, tmp_path: Path) -> None:
    assert unpack(PACKERS[kind](tmp_path), tmp_path) == IMAGE
    assert kind_of(tmp_path / "packed") == kind


def test_zeros_become_holes(tmp_path: Path) -> None:
    unpack(lzma.compress(bytes(8 << 20) + b"end" + bytes(8 << 20)), tmp_path)
    assert (tmp_path / "image").stat().st_size == (16 << 20) + 3
    assert (tmp_path / "image").stat().st_blocks * 512 < 1 << 20


def test_zstandard_of_several_frames(tmp_path: Path) -> None:
    half = len(IMAGE) // 2
    assert unpack(zstandard.compress(IMAGE[:half]) + zstandard.compress(IMAGE[half:]), tmp_path) == IMAGE


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    data = PACKERS[kind](tmp_path)
    with pytest.raises(InputError) as caught:
        unpack(data[: int(len(data) * share)], tmp_path)
    assert caught.value.hint == "download it again"


@pytest.mark.parametrize("kind", ["xz", "gz", "zip"])
def test_a_damaged_file_is_refused(kind: str, tmp_path: Path) -> None:
    data = bytearray(PACKERS[kind](tmp_path))
    data[len(data) // 3 : len(data) // 3 + 16] = bytes(16)
    with pytest.raises(InputError, match="is damaged"):
        unpack(bytes(data), tmp_path)


@pytest.mark.parametrize(("names", "said"), [(("readme.txt",), "readme.txt"), (("a.img", "b.img"), "a.img, b.img")])
def test_a_zip_needs_exactly_one_image(names: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        unpack(zipped(tmp_path, b"x", *names), tmp_path)
