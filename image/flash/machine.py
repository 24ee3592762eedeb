"""The disks of this machine, as the kernel tells of them in /sys. Reads only.

`root` is the folder that /sys and /proc are in: of another one, tests make their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512
"""What the kernel counts sizes in, whatever the sectors of the disk are."""
USB_BUS = re.compile(r"usb\d+")
NO_CARDS = re.compile(r"(sr|fd)\d+")
"""Optical drives and floppies say that they are removable as well."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A whole disk."""

    name: str
    """As in /dev."""
    number: str
    """`major:minor`."""
    size_bytes: int
    """0: a reader without a card."""
    sector_bytes: int
    """The least that it can be written in."""
    removable: bool
    """Made to be taken out: a card, or something on USB."""
    read_only: bool
    transport: str
    """`USB`, `SD`, or empty for others."""
    model: str
    partitions: Mapping[str, str]
    """The number of each, by its name."""
    holders: tuple[str, ...]
    """Block devices that stand on it or on a partition of it."""

    @property
    def path(self) -> Path:
        """Its device node."""
        return Path("/dev", self.name)


def disks(root: Path) -> list[Disk]:
    """All of them, virtual ones as well, by name."""
    return [_disk(folder.resolve()) for folder in sorted((root / "sys/block").iterdir())]


def cards(root: Path) -> list[Disk]:
    """Those that an image may be meant for, by name; empty readers are none."""
    found = (disk for disk in disks(root) if disk.removable and disk.size_bytes)
    return [disk for disk in found if not NO_CARDS.fullmatch(disk.name)]


def disk_of(number: str, root: Path) -> tuple[Disk, str]:
    """The disk that the block device `number` (`major:minor`) is, and an empty string; or is a partition of, and which.

    Raises FileNotFoundError if the kernel knows of none.
    """
    folder = (root / "sys/dev/block" / number).resolve(strict=True)
    if (folder / "partition").exists():
        return _disk(folder.parent), _name(folder)
    return _disk(folder), ""


def standing_on(disk: Disk, root: Path) -> dict[str, str]:
    """The names of the disk, of its partitions, and of all that stands on them at any height: with their numbers."""
    found = {disk.name: disk.number, **disk.partitions}
    following = list(disk.holders)
    while following:
        name = following.pop()
        folder = root / "sys/block" / name.replace("/", "!")
        if name not in found and folder.exists():
            above = _disk(folder.resolve())
            found |= {name: above.number, **above.partitions}
            following += above.holders
    return found


def mapped_name(name: str, root: Path) -> str:
    """What a block device is called below /dev by who made it: `mapper/vg-home` for `dm-0`."""
    mapped = _text(root / "sys/block" / name / "dm/name")
    return f"mapper/{mapped}" if mapped else name


def _disk(folder: Path) -> Disk:
    partitions = [path for path in sorted(folder.iterdir()) if (path / "partition").exists()]
    transport = _transport(folder)
    return Disk(
        name=_name(folder),
        number=_text(folder / "dev"),
        size_bytes=_number(folder / "size") * SECTOR_BYTES,
        sector_bytes=_number(folder / "queue/logical_block_size") or SECTOR_BYTES,
        removable=bool(transport) or _number(folder / "removable") == 1,
        read_only=_number(folder / "ro") == 1,
        transport=transport,
        model=" ".join(_names(folder)),
        partitions={_name(path): _text(path / "dev") for path in partitions},
        holders=tuple(_holders([folder, *partitions])),
    )


def _transport(folder: Path) -> str:
    """A card in a reader of its own is of the type `SD`; `MMC` is soldered in, and is not meant to be taken out."""
    if any(USB_BUS.fullmatch(part) for part in folder.parts):
        return "USB"
    return "SD" if folder.name.startswith("mmcblk") and _text(folder / "device/type") == "SD" else ""


def _holders(folders: list[Path]) -> Iterator[str]:
    for folder in folders:
        if (folder / "holders").is_dir():
            yield from sorted(_name(path) for path in (folder / "holders").iterdir())


def _names(folder: Path) -> Iterator[str]:
    """What the maker calls it. A vendor that is a number has none."""
    for file in ("vendor", "model", "name"):
        if (text := _text(folder / "device" / file)) and not text.startswith("0x"):
            yield text


def _name(folder: Path) -> str:
    """A name in /dev: the kernel has ! for a / in it."""
    return folder.name.replace("!", "/")


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:  # not all have all; and a card can be taken out meanwhile
        return ""


def _number(file: Path) -> int:
    text = _text(file)
    return int(text) if text.isdecimal() else 0
