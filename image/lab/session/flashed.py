"""A card for a session: a copy of an image, with the configuration on it that it shall have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image.lab.card import Card, insert, names_of_boot_files
from image.lab.session.given import Given, make_room
from image.lab.session.session import Tell
from image.output import full_disk_explained
from image.stages.bootfs import CONFIG

ZIMAGE = b"\x18\x28\x6f\x01"
"""What a 32-bit kernel has at byte 36 (Linux, Documentation/arch/arm/booting.rst)."""


@dataclass(frozen=True)
class Flashed:
    """The card, and what its kernel is for."""

    card: Card
    is_32_bit: bool


def flashed(given: Given, folder: Path, tell: Tell) -> Flashed:
    """A card in a folder. Raises InputError if the image is damaged, or has no room."""
    given.image.check()
    tell(f"card: a copy of {given.image.file}")
    with full_disk_explained(make_room()):
        card = insert(given.image.file, folder / "card.img")
        (folder / CONFIG).write_bytes(given.content)
        card.lay(folder / CONFIG, CONFIG)
        return Flashed(card, is_32_bit(card, folder))


def is_32_bit(card: Card, folder: Path) -> bool:
    """Whether the kernel on a card is for a processor of 32 bits."""
    kernel = card.take(names_of_boot_files(card)[0], folder)
    try:
        with kernel.open("rb") as file:
            return file.read(40)[36:] == ZIMAGE
    finally:
        kernel.unlink()
