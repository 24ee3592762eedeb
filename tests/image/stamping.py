"""Stamping in tests, and looking at what came out."""

from __future__ import annotations

from pathlib import Path

import zstandard

from appliance import cli
from image.disk import fat, partitions
from image.disk.layout import SECTOR_BYTES
from image.run import run


def stamped(image: Path, folder: Path, *configs: bytes, options: tuple[str, ...] = ()) -> int:
    """The exit code of the command."""
    files = []
    for number, content in enumerate(configs):
        files.append(folder / f"config-{number}.yaml")
        files[-1].write_bytes(content)
    return cli.main(["stamp", str(image), "--config", *map(str, files), "-o", str(folder / "out"), *options])


def whole(device: Path, into: Path) -> Path:
    """The image of which a device's folder has the parts, unpacked by the tool that people have."""
    packed = into / f"{device.name}.img.zst"
    packed.write_bytes(b"".join(file.read_bytes() for file in sorted(device.glob("*.zst"))))
    run(["zstd", "-q", "-d", "--sparse", packed, "-o", into / f"{device.name}.img"])
    return into / f"{device.name}.img"


def boot_of(image: Path, into: Path) -> Path:
    """The FAT partition, in a file of its own."""
    table = partitions.read_table(image)
    with image.open("rb") as reader:
        reader.seek(table.boot_start * SECTOR_BYTES)
        into.write_bytes(reader.read(table.boot_sectors * SECTOR_BYTES))
    return into


def contents(boot: Path, into: Path) -> dict[str, tuple[bytes, float]]:
    """Every file of a FAT partition, with its time."""
    into.mkdir()
    fat.read(boot, 0, into)
    return {str(f.relative_to(into)): (f.read_bytes(), f.stat().st_mtime) for f in into.rglob("*") if f.is_file()}


def in_frames(image: Path, size: int = 1 << 22) -> bytes:
    """The image as independent frames, as `appliance build` and others write it."""
    content = image.read_bytes()
    pack = zstandard.ZstdCompressor(level=1, write_checksum=True).compress
    return b"".join(pack(content[at : at + size]) for at in range(0, len(content), size))
