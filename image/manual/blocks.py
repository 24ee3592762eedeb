"""What a page is made of, whatever it is written as.

In all texts what stands in `backquotes` is to be typed as it stands, and a word in *CAPITALS* between asterisks is to
be replaced.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """Level 1 is a part of the page, 2 a part of that."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Text that is broken into lines by whoever shows it."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines that stay as they are."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What is in the first column is told about in the others, of which "" says nothing."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Code | Points | Table
