"""The configuration that is to be on the card."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from appliance import parse
from appliance.errors import InputError, Problem
from image.debian.packages import PROFILES
from image.disk.layout import SECTOR_BYTES
from image.disk.partitions import FAT32_TYPES
from image.flash.content import anywhere
from image.flash.copying import Chunk
from image.flash.fat_file import File, NoFileError, Read, volume
from image.flash.original import Original
from image.stages.bootfs import CONFIG
from image.stamp.stamp import profile_of

TABLE, ENTRIES, ENTRY_BYTES = 446, 4, 16
"""Where the partition table of an MBR begins, and what it has."""


@dataclass(frozen=True)
class Config:
    """An appliance.yaml that was read and checked."""

    file: str
    """Where it comes from, for messages."""
    profile: str
    content: bytes = field(repr=False)
    """May hold secrets."""

    def check_fits(self, profile: str | None, image: str) -> None:
        """Raise InputError if an image is for another profile, whose packages are others; it may be unknown."""
        if profile and profile != self.profile:
            can_be_built = self.profile in PROFILES
            raise InputError(
                f"{self.file} is for the profile {self.profile}, and {image} was built for {profile}",
                hint=f"take an image that was built with --profile {self.profile}"
                if can_be_built
                else f"no image can be built yet for the profile {self.profile}",
            )

    def chunks(self, head: bytes, read: Read, now: datetime) -> Iterable[Chunk]:
        """What to write on a disk that has the image, so that it has this configuration.

        `head` is the image's beginning. Raises InputError if the image has no place for it.
        """
        return File(volume(boot_at(head), read), CONFIG, read).replaced(self.content, now)


def checked(file: Path) -> tuple[Config, Sequence[Problem]]:
    """A file, and what is risky in it. Raises ConfigError with all that is wrong with it, or InputError."""
    content = parse.content(file)
    parsed = parse.parse_text(content, str(file))
    return Config(str(file), str(parsed.appliance.profile), content), parsed.warnings


def on_card(image: Original, config: Config | None) -> bytes | None:
    """The appliance.yaml that a card will have: the one that is given, or the image's own, or None if that has none.

    Raises InputError if the file is no image of a disk, or damaged, or if what is given is not for it. That is known
    only from the image's own appliance.yaml, for which 100 MB are unpacked: of a .zst in a fifth of a second.
    """
    head = image.head()
    with anywhere(image.file, image.packed) as read:
        try:
            there = File(volume(boot_at(head), read), CONFIG, read)
        except NoFileError:
            if config is not None:
                raise
            return None
        own = there.content()
        if config is None:
            return own
        config.check_fits(profile_of(own, CONFIG), str(image.file))
        there.replaced(config.content, datetime.now(UTC))  # raises if there is no room for it
    return config.content


def boot_at(head: bytes) -> int:
    """Where the first FAT32 partition begins, in bytes, by the MBR at the beginning of an image. Raises NoFileError."""
    if head[510:512] == b"\x55\xaa":
        for at in range(TABLE, TABLE + ENTRIES * ENTRY_BYTES, ENTRY_BYTES):
            kind, start = struct.unpack_from("<B3xI", head, at + 4)
            if kind in FAT32_TYPES:
                return int(start) * SECTOR_BYTES
    raise NoFileError("the image has no FAT32 partition", hint="give an image that `appliance build` made")
