"""A card for a session: a copy of an image, with a configuration on it that was checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance import parse
from appliance.errors import ConfigError
from appliance.model import Appliance, Profile
from image.flash.config import Config
from image.lab.card import Card, insert, names_of_boot_files
from image.lab.session.examples import EXAMPLES
from image.lab.session.given import Given, make_room
from image.lab.session.session import Tell
from image.output import full_disk_explained
from image.stages.bootfs import CONFIG
from image.stamp.stamp import profile_of

ZIMAGE = b"\x18\x28\x6f\x01"
"""What a 32-bit kernel has at byte 36 (Linux, Documentation/arch/arm/booting.rst)."""


@dataclass(frozen=True)
class Flashed:
    """The card, and what its configuration says."""

    card: Card
    appliance: Appliance
    is_32_bit: bool


def flashed(given: Given, folder: Path, tell: Tell) -> Flashed:
    """A card in a folder. Raises ConfigError with what is wrong in the image's own configuration, or InputError."""
    given.image.check()
    tell(f"card: a copy of {given.file}")
    with full_disk_explained(make_room()):
        return configured(insert(given.file, folder / "card.img"), given, folder, tell)


def configured(card: Card, given: Given, folder: Path, tell: Tell) -> Flashed:
    """The card with the configuration on it. Raises as `flashed` does."""
    own = card.take(CONFIG, folder).read_bytes()
    content = given.config.content if given.config is not None else filled_in(own, given.file, tell)
    name = given.config.file if given.config is not None else CONFIG
    appliance = parse.parse_text(content, name).appliance
    Config(name, str(appliance.profile), content).check_fits(profile_of(own, CONFIG), str(given.file))
    (folder / CONFIG).write_bytes(content)
    card.lay(folder / CONFIG, CONFIG)
    return Flashed(card, appliance, is_32_bit(card, folder))


def filled_in(own: bytes, image: Path, tell: Tell) -> bytes:
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


def is_32_bit(card: Card, folder: Path) -> bool:
    """Whether the kernel on a card is for a processor of 32 bits."""
    kernel = card.take(names_of_boot_files(card)[0], folder)
    try:
        with kernel.open("rb") as file:
            return file.read(40)[36:] == ZIMAGE
    finally:
        kernel.unlink()
