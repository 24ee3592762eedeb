"""A table for the terminal: where it would be wider than that, its cells are broken into lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

GAP = "  "
LEAST = 8
"""Characters; no column is narrower for the others' sake."""


def lines_of(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[Sequence[str]]:
    """The lines of each row, of at most `width` characters, if that is possible; None: one line a row."""
    widths = _widths(rows, width)
    for row in rows:
        cells = [wrap(cell, most, break_on_hyphens=False) for cell, most in zip(row, widths, strict=True)]
        yield [
            GAP.join(part.ljust(most) for part, most in zip(parts, widths, strict=True)).rstrip()
            for parts in zip_longest(*cells, fillvalue="")
        ]


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> Sequence[int]:
    """The widest columns give way: first those that can be broken between words."""
    columns = [*zip(*rows, strict=True)]
    found = [max(len(cell) for cell in column) for column in columns]
    words = [max(len(word) for cell in column for word in (*cell.split(), "")) for column in columns]
    for least in (words, [LEAST] * len(columns)):
        while width is not None and sum(found) + len(GAP) * (len(found) - 1) > width:
            excess, widest = max((has - low, at) for at, (has, low) in enumerate(zip(found, least, strict=True)))
            if excess <= 0:
                break
            found[widest] -= 1
    return found
