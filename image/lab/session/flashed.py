"""A card for a session: a copy of an image, with the configuration on it that it shall have."""

from __future__ import annotations

from pathlib import Path

from image.lab.card import Card, insert
from image.lab.session.given import Given, make_room
from image.lab.session.session import Tell
from image.output import full_disk_explained
from image.stages.bootfs import CONFIG


def flashed(given: Given, folder: Path, tell: Tell) -> Card:
    """A card in a folder. Raises InputError if the image is damaged, or has no room."""
    given.image.check()
    tell(f"card: a copy of {given.image.file}")
    with full_disk_explained(make_room()):
        card = insert(given.image.file, folder / "card.img")
        (folder / CONFIG).write_bytes(given.content)
        card.lay(folder / CONFIG, CONFIG)
        return card
