"""Files of the user's that are there completely or not at all, and in place of another only where that is wanted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def begun(target: Path, text: str) -> Iterator[Path]:
    """A temporary file with the text, in the folder of `target`, while the block runs. Raises OSError."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def add(new: Path, target: Path) -> None:
    """Give a complete file its name. Raises FileExistsError where that is taken, or another OSError."""
    try:
        target.hardlink_to(new)
    except FileExistsError:
        raise
    except OSError:  # a card's FAT has no links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        new.rename(target)


def replace(new: Path, target: Path) -> None:
    """Put a complete file in the place of another, with that one's rights. Raises OSError."""
    if target.exists():
        shutil.copymode(target, new)
    new.replace(target)
