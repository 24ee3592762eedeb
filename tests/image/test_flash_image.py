"""What is known of an image before it is written, and that its content comes in bounded pieces, checked."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from appliance.errors import InputError
from image.disk import bmap
from image.disk.frames import FORMATS
from image.flash import xz
from image.flash.content import anywhere
from image.flash.medium import CHUNK_BYTES
from image.flash.original import original
from tests.image.flashing import MIB, content, mapped, with_its_checksum

CONTENT = content(1 << 16) * 144 + content(512)
"""Random, and yet quick to compress."""


def in_pieces(form: str) -> bytes:
    """As `appliance build` writes it."""
    made = FORMATS[form]
    return b"".join(made.joined(made.compress(CONTENT[at : at + 4 * MIB]) for at in range(0, len(CONTENT), 4 * MIB)))


def of_unknown_size() -> bytes:
    """As `zstd` writes what comes through a pipe."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(CONTENT)


PACKED: dict[str, Callable[[], bytes]] = {
    "img": lambda: CONTENT,
    "img.zst": lambda: zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT),
    "built.img.zst": lambda: in_pieces("zst"),
    "piped.img.zst": of_unknown_size,
    "img.xz": lambda: lzma.compress(CONTENT, preset=0),
    "built.img.xz": lambda: in_pieces("xz"),
    "streams.img.xz": lambda: lzma.compress(CONTENT[:MIB]) + lzma.compress(CONTENT[MIB:], preset=0),
    "img.gz": lambda: gzip.compress(CONTENT, 1),
}
UNKNOWN = ("piped.img.zst", "img.gz")


@pytest.mark.parametrize("name", PACKED)
def test_what_is_in_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"image.{name}"
    file.write_bytes(PACKED[name]())
    found = original(file)
    assert found.size_bytes == (None if name in UNKNOWN else len(CONTENT))
    chunks = list(found.chunks())
    assert b"".join(chunk.data for chunk in chunks) == CONTENT
    assert [chunk.at for chunk in chunks] == list(range(0, len(CONTENT), CHUNK_BYTES))


@pytest.mark.parametrize("name", [name for name in PACKED if name != "img"])
@pytest.mark.parametrize("left", [0.3, 0.9999])
def test_what_is_cut_short_is_refused_where_it_can_be_before_anything_is_written(
    name: str, left: float, tmp_path: Path
) -> None:
    file, packed = tmp_path / f"image.{name}", PACKED[name]()
    file.write_bytes(packed[: int(len(packed) * left)])
    with pytest.raises(InputError, match="is cut short") as caught:
        list(original(file).chunks())
    assert "again" in caught.value.hint
    if not name.endswith("gz"):
        with pytest.raises(InputError, match="is cut short"):
            original(file)


def test_a_plain_image_that_is_cut_short_is_known_by_its_block_map(tmp_path: Path) -> None:
    file = tmp_path / "image.img"
    file.write_bytes(CONTENT)
    mapped(file)
    file.write_bytes(CONTENT[: 5 * MIB])
    with pytest.raises(InputError, match=f"is of an image of {len(CONTENT)} bytes, and image.img has {5 * MIB}"):
        original(file)


@pytest.mark.parametrize("name", ["img.zst", "img.xz"])
def test_what_is_damaged_is_refused(name: str, tmp_path: Path) -> None:
    file, packed = tmp_path / f"image.{name}", bytearray(PACKED[name]())
    packed[len(packed) // 2] ^= 0xFF
    file.write_bytes(packed)
    with pytest.raises(InputError, match="is damaged"):
        list(original(file).chunks())


@pytest.mark.parametrize("pack", [zstandard.compress, lambda zeros: lzma.compress(zeros, preset=0)])
def test_never_more_than_a_few_pieces_are_in_memory(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A few kilobytes of one frame have all of it in them."""
    size = 200 * MIB
    file = tmp_path / "image"
    file.write_bytes(pack(bytes(size)))
    tracemalloc.start()
    assert sum(len(chunk.data) for chunk in original(file).chunks()) == size
    assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    tracemalloc.stop()


def test_the_last_piece_is_filled_up_to_a_sector(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT[:1000])
    [chunk] = original(tmp_path / "image").chunks()
    assert chunk.data == CONTENT[:1000] + bytes(24)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "does not exist"),
        (lambda file: file.mkdir(), "is not a file"),
        (lambda file: file.write_bytes(b""), "is empty"),
    ],
)
def test_what_is_no_image(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    make(tmp_path / "image")
    with pytest.raises(InputError, match=said):
        original(tmp_path / "image")


def test_what_has_no_partitions_is_no_image_of_a_disk(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text" * 5000)
    with pytest.raises(InputError, match="is no image of a disk"):
        original(tmp_path / "notes.txt").head()


def test_xz_itself_says_the_same_of_its_sizes(tmp_path: Path) -> None:
    for number, content_ in enumerate((b"", b"x", CONTENT)):
        file = tmp_path / f"{number}.xz"
        file.write_bytes(lzma.compress(content_))
        assert xz.content_bytes(file) == len(content_)
    file.write_bytes(gzip.compress(CONTENT, 1))
    assert xz.content_bytes(file) is None


@pytest.mark.programs
def test_xz_with_several_blocks(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    subprocess.run(["xz", "-0", "-T2", "--block-size=1MiB", tmp_path / "image"], check=True)
    assert xz.content_bytes(tmp_path / "image.xz") == len(CONTENT)


@pytest.mark.parametrize(
    ("image", "block_map"),
    [
        ("appliance-gateway-arm64.img.zst", "appliance-gateway-arm64.bmap"),
        ("appliance-gateway-arm64.img.zst", "appliance-gateway-arm64.img.bmap"),
        ("appliance-gateway-arm64.img", "appliance-gateway-arm64.img.bmap"),
        ("raspios.v2", "raspios.bmap"),
    ],
)
def test_where_the_block_map_is_looked_for(image: str, block_map: str, tmp_path: Path) -> None:
    file = tmp_path / image
    file.write_bytes(CONTENT)
    assert original(file).block_map is None
    mapped(file).rename(tmp_path / block_map)
    assert original(file).block_map == bmap.read(tmp_path / block_map)
    assert original(file).size_bytes == len(CONTENT)


def test_a_block_map_of_ours_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(CONTENT)
    found = bmap.read(mapped(tmp_path / "a.img"))
    assert [(one.begin, one.end) for one in found.ranges] == [
        (0, 4 * MIB),
        (4 * MIB, 8 * MIB),
        (8 * MIB, len(CONTENT)),
    ]
    assert found.ranges[1].checksum == hashlib.sha256(CONTENT[4 * MIB : 8 * MIB]).hexdigest()
    assert found.has_checksums
    assert found.mapped_bytes == found.image_bytes == len(CONTENT)


@pytest.mark.programs
@pytest.mark.parametrize("options", [[], ["--no-checksum"]])
def test_a_block_map_of_bmaptools_is_read(options: list[str], tmp_path: Path) -> None:
    image = tmp_path / "a.img"
    with image.open("wb") as file:
        file.write(CONTENT[: 5 * MIB + 4096])
        file.seek(12 * MIB)
        file.write(CONTENT[:4096])
        file.truncate(20 * MIB + 512)
    subprocess.run(["bmaptool", "create", *options, "-o", tmp_path / "a.bmap", image], check=True, capture_output=True)
    found = original(image)
    assert found.block_map is not None
    assert [(one.begin, one.end) for one in found.block_map.ranges] == [
        (0, 5 * MIB + 4096),
        (12 * MIB, 12 * MIB + 4096),
    ]
    assert found.block_map.has_checksums == (not options)
    chunks = list(found.chunks())
    assert [(chunk.at, len(chunk.data)) for chunk in chunks] == [
        (0, 4 * MIB),
        (4 * MIB, MIB + 4096),
        (12 * MIB, 4096),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(" 0-1023 ", " 0-1022 "), "its own checksum is another"),
        (lambda text: "", "no version"),
        (lambda text: text.replace('version="2.0"', 'version="3.0"'), "no version"),
        (lambda text: text.replace("ImageSize", "Size"), "ImageSize"),
        (lambda text: with_its_checksum(text.replace(" 0-1023 ", " 1024-2047 ")), "its ranges are not in order"),
        (lambda text: with_its_checksum(text.replace(" 0-1023 ", " 9-3 ")), "a range is empty"),
        (lambda text: with_its_checksum(text.replace(" 0-1023 ", " 900000 ")), "a range is empty"),
        (lambda text: text.replace("sha256", "sha257"), "sha257"),
    ],
)
def test_a_block_map_that_cannot_be_believed(change: Callable[[str], str], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(CONTENT)
    block_map = mapped(tmp_path / "a.img")
    block_map.write_text(change(block_map.read_text()))
    with pytest.raises(InputError, match=said) as caught:
        original(tmp_path / "a.img")
    assert "get it again together with the image" in caught.value.hint


def test_without_a_block_map_the_file_is_checked_first(tmp_path: Path) -> None:
    image, sums = tmp_path / "a.img", tmp_path / "a.sha256"
    image.write_bytes(CONTENT)
    sums.write_text(f"{'0' * 64}  a.img\n")
    with pytest.raises(InputError, match=r"is not what a\.sha256 beside it says"):
        original(image).check()
    sums.write_text(f"{hashlib.sha256(CONTENT).hexdigest()}  a.img\n")
    original(image).check()
    sums.write_text(f"{'0' * 64}  a.img\n")
    mapped(image)
    original(image).check()


@pytest.mark.parametrize("name", PACKED)
def test_it_is_read_anywhere_in_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"image.{name}"
    file.write_bytes(PACKED[name]())
    with anywhere(file, original(file).packed) as read:
        for at, size in ((512, 512), (8 * MIB, 1024), (9 * MIB, 512), (MIB, 512), (5 * MIB, MIB), (0, 512)):
            assert read(at, size) == CONTENT[at : at + size]
        with pytest.raises(InputError, match=f"is cut short: its content has no byte {len(CONTENT)}"):
            read(len(CONTENT) - 512, 1024)
