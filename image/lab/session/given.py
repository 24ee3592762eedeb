"""What a session is given, looked at before anything is made of it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from appliance import parse
from appliance.errors import ConfigError, InputError
from appliance.model import Appliance, Profile
from image.flash.config import boot_at, checked, on_card
from image.flash.content import anywhere
from image.flash.fat_file import File, volume
from image.flash.original import Original, original
from image.lab.card import names_of_boot_files
from image.lab.session.examples import EXAMPLES
from image.lab.session.session import Tell
from image.output import check_writable
from image.stages.bootfs import CONFIG
from image.stamp.stamp import profile_of

ROOM_BYTES = 256 << 20
"""What the machine writes on its card, and the logs, with room to spare."""

ZIMAGE = b"\x18\x28\x6f\x01"
"""What a 32-bit kernel has at byte 36 (Linux, Documentation/arch/arm/booting.rst)."""


@dataclass(frozen=True)
class Given:
    """An image, what its kernel is for, and the appliance.yaml that its card shall have.

    Of that, what it says, and as it is, which may hold secrets.
    """

    image: Original
    is_32_bit: bool
    appliance: Appliance
    content: bytes = field(repr=False)


def look(image: Path, config: Path | None, logs: Path | None, tell: Tell) -> Given:
    """Look at all of it, and whether there is room. `logs`: the folder that logs are to be kept in.

    Raises ConfigError with what is wrong in the configuration, given or the image's own, or InputError.
    """
    read = checked(config)[0] if config is not None else None
    there = original(image)
    content = on_card(there, read)
    if content is None:
        raise InputError(f"{image} has no {CONFIG}", hint="give an image that `appliance build` made")
    if read is None:
        content = filled_in(content, tell)
    if logs is not None:
        check_writable(logs.absolute(), "--logs")
    check_room(there)
    return Given(there, is_32_bit(there), parse.parse_text(content, CONFIG).appliance, content)


def is_32_bit(image: Original) -> bool:
    """Whether the kernel of an image is for a processor of 32 bits. InputError if there is none."""
    with anywhere(image.file, image.packed) as read:
        boot = volume(boot_at(image.head()), read)
        kernel, _ = names_of_boot_files(File(boot, "config.txt", read).content().decode(errors="replace"))
        return File(boot, kernel, read).content(40)[36:] == ZIMAGE


def filled_in(own: bytes, tell: Tell) -> bytes:
    """The image's own configuration, or where nobody has filled that in yet, the lab's for this profile."""
    try:
        parse.parse_text(own, CONFIG)
    except ConfigError as error:
        profile = profile_of(own, CONFIG)
        if profile not in EXAMPLES or not all(" is not filled in yet" in each.message for each in error.problems):
            raise
        tell(f"{CONFIG} of the image is not filled in: the lab's own is put in its place (--config FILE: yours)")
        return EXAMPLES[Profile(profile)].encode()
    return own


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
