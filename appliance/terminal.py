"""Colour, where there is somebody to see it."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TextIO


class Colour(StrEnum):
    """What a terminal understands (ECMA-48, select graphic rendition)."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"


def painted(text: str, colour: Colour, stream: TextIO) -> str:
    """Give the text in that colour where the stream is a terminal and NO_COLOR is not set (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"
