"""An SD card: a private copy of an image, so that booting it never writes to the image itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image import run as door
from image.disk import decompress, partitions
from image.disk.layout import SECTOR_BYTES

FAT_TYPES = {0x0B, 0x0C, 0x0E}
"""MBR partition types of FAT file systems."""


@dataclass(frozen=True)
class Card:
    """The copy, in one file. What is written to its FAT partition must be written before it is booted."""

    path: Path

    @property
    def boot_partition(self) -> str:
        """The FAT partition, as mtools names it."""
        return f"{self.path}@@{fat_offset(self.path)}"

    def put(self, name: str, text: str) -> None:
        """Write a file on the FAT partition, as its owner would with an editor."""
        door.run(["mcopy", "-o", "-i", self.boot_partition, "-", f"::{name}"], stdin=text)

    def lay(self, file: Path, name: str) -> None:
        """Copy a file onto the FAT partition, byte by byte."""
        door.run(["mcopy", "-o", "-i", self.boot_partition, file, f"::{name}"])

    def read(self, name: str) -> str:
        """The text of a file on the FAT partition; PermanentError if it is not there."""
        return door.run(["mtype", "-i", self.boot_partition, f"::{name}"])

    def take(self, name: str, folder: Path) -> Path:
        """Copy a file of the FAT partition into a folder; InputError if it is not there."""
        target = folder / name
        try:
            door.run(["mcopy", "-n", "-i", self.boot_partition, f"::{name}", target])
        except PermanentError as error:
            raise InputError(f"the image has no {name} on its FAT partition") from error
        return target


@contextmanager
def inserted(image: Path, folder: Path, config: str) -> Iterator[Card]:
    """A card with the image and this appliance.yaml on it, in a folder; the card is gone after the block."""
    card = insert(image, folder / "card.img")
    try:
        card.put("appliance.yaml", config)
        yield card
    finally:
        card.path.unlink()  # gigabytes


def insert(image: Path, copy: Path) -> Card:
    """A card with the image on it, its size the next power of two, which is all that QEMU's SD controllers take.

    The image may be compressed, see `decompress`.
    """
    if decompress.kind_of(image):
        decompress.decompress(image, copy, lambda *_: None)
    else:
        door.run(["cp", "--sparse=always", "--reflink=auto", image, copy])
    door.run(["truncate", "--size", str(1 << (copy.stat().st_size - 1).bit_length()), copy])
    return Card(copy)


def fat_offset(image: Path) -> int:
    """Where the first FAT partition begins, in bytes; InputError if there is none."""
    for partition in partitions.table(image)["partitions"]:
        if int(partition["type"], 16) in FAT_TYPES:
            return int(partition["start"]) * SECTOR_BYTES
    raise InputError(f"{image} has no FAT partition", hint="give a Raspberry Pi image")


@dataclass(frozen=True)
class BootFiles:
    """What the Pi's firmware would load, in files on the host."""

    kernel: Path
    initrd: Path
    command_line: str


def boot_files(card: Card, folder: Path) -> BootFiles:
    """What config.txt and cmdline.txt on the card say to load."""
    kernel, initrd = names_of_boot_files(card.read("config.txt"))
    return BootFiles(
        kernel=card.take(kernel, folder),
        initrd=card.take(initrd, folder),
        command_line=card.read("cmdline.txt").strip(),
    )


def names_of_boot_files(config: str) -> tuple[str, str]:
    """The kernel's name, and that of its initrd, by the text of a config.txt."""
    settings = firmware_settings(config)
    return settings.get("kernel", "kernel8.img"), settings.get("initramfs", "initramfs8")


def firmware_settings(config: str) -> Mapping[str, str]:
    """The settings of a config.txt; those for particular boards count as well, the last of a name wins."""
    settings = {}
    for line in config.splitlines():
        words = line.partition("#")[0].replace("=", " ", 1).split()
        if len(words) > 1:
            settings[words[0]] = words[1]
    return settings
