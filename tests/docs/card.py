"""`appliance flash IMAGE /dev/sdX` where there is no card: the command's own way, with a door that leads to a file.

python -m tests.docs.card IMAGE FILE      writes to FILE, and says what is said of a card
"""

from __future__ import annotations

import sys
from pathlib import Path

from image.cli.flash import write
from image.events import Events
from image.flash.config import on_card
from image.flash.medium import opened
from image.flash.original import original
from image.flash.target import Target

DEVICE = "/dev/sdX"


def main(file: str, card: str) -> None:
    """Write the image in `file` to the file `card`."""
    image = original(Path(file))
    image.check()
    target = Target(Path(DEVICE), [])
    write(image, None, on_card(image, None), target, Events(), door=lambda _: opened(Path(card)))


if __name__ == "__main__":
    main(*sys.argv[1:])
