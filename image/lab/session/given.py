"""What a session is given, looked at before anything is made of it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from appliance import parse
from appliance.errors import InputError
from image.flash.config import Config, boot_at
from image.flash.original import Original, original

ROOM_BYTES = 256 << 20
"""What the machine writes on its card, and the logs, with room to spare."""


@dataclass(frozen=True)
class Given:
    """An image that can be on a card, and the configuration that shall be there, if it is not the image's own."""

    image: Original
    config: Config | None

    @property
    def file(self) -> Path:
        """The image's."""
        return self.image.file


def look(image: Path, config: Path | None) -> Given:
    """Look at both, and whether there is room. Raises ConfigError with what is wrong in the configuration, or
    InputError.
    """
    read = config_of(config) if config is not None else None
    there = original(image)
    boot_at(there.head())
    if read is not None:
        read.check_fits(there.profile, str(image))
    check_room(there)
    return Given(there, read)


def config_of(file: Path) -> Config:
    """A file that is right. Raises ConfigError with what is wrong in it, or InputError."""
    content = parse.content(file)
    return Config(str(file), str(parse.parse_text(content, str(file)).appliance.profile), content)


def check_room(image: Original) -> None:
    """Raise InputError where temporary files are and a copy of the image has no room; its size may be unknown."""
    folder = tempfile.gettempdir()
    free, needed = shutil.disk_usage(folder).free, (image.to_write_bytes or 0) + ROOM_BYTES
    if free < needed:
        raise InputError(
            f"in {folder} is room for {free >> 20} MB, and a copy of {image.file} takes {needed >> 20} MB",
            hint=make_room(),
        )


def make_room() -> str:
    """What to do where temporary files have no room."""
    return f"make room where {tempfile.gettempdir()} is, or set TMPDIR to a folder that has it"
