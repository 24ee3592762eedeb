"""The configuration that is to be on the card."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from appliance.errors import InputError
from image.disk.layout import SECTOR_BYTES
from image.disk.partitions import FAT32_TYPES
from image.flash.copying import Chunk
from image.flash.fat_file import File, Read, volume
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
            raise InputError(
                f"{self.file} is for the profile {self.profile}, and {image} was built for {profile}",
                hint=f"take an image that was built with --profile {self.profile}",
            )

    def chunks(self, head: bytes, read: Read, image: str, now: datetime) -> Iterable[Chunk]:
        """What to write on a disk that has the image, so that it has this configuration.

        `head` is the image's beginning. Raises InputError if the image has no place for it, or another profile.
        """
        there = File(volume(boot_at(head), read), CONFIG, read)
        self.check_fits(profile_of(there.content(), CONFIG), image)
        return there.replaced(self.content, now)


def boot_at(head: bytes) -> int:
    """Where the first FAT32 partition begins, in bytes, by the MBR at the beginning of an image. Raises InputError."""
    if head[510:512] == b"\x55\xaa":
        for at in range(TABLE, TABLE + ENTRIES * ENTRY_BYTES, ENTRY_BYTES):
            kind, start = struct.unpack_from("<B3xI", head, at + 4)
            if kind in FAT32_TYPES:
                return int(start) * SECTOR_BYTES
    raise InputError("the image has no FAT32 partition", hint="give an image that `appliance build` made")
