"""The descriptions and examples of `--help`, which are for a terminal, as blocks of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from image.manual.blocks import Block, Code, Paragraph, Table

GAP = re.compile(r" {2,}")
"""Between a command and what it does."""


def blocks_of(text: str) -> Iterator[Block]:
    """Lines at the margin are one paragraph.

    Of those that are indented, what comes after `examples:` are commands, each with what it does beside it or below
    it; what comes after another colon stays as it is; and the rest is a paragraph as well.
    """
    before = ""
    for part in text.split("\n\n"):
        for indented, group in groupby(part.splitlines(), key=lambda line: line.startswith(" ")):
            lines = list(group)
            yield from _indented(lines, before) if indented else [Paragraph(_joined(lines))]
            before = lines[-1]


def _indented(lines: Sequence[str], before: str) -> Iterator[Block]:
    if before in ("example:", "examples:") or all(GAP.search(line.strip()) for line in lines):
        yield Table(("Command", "What it does"), tuple(_commands(lines)))
    elif before.endswith(":"):
        yield Code("\n".join(line.strip() for line in lines))
    else:
        yield Paragraph(_joined(lines))


def _commands(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    margin = len(lines[0]) - len(lines[0].lstrip())
    found: list[list[str]] = []
    for line in lines:
        if len(line) - len(line.lstrip()) > margin:
            found[-1].append(line.strip())
        else:
            found.append(GAP.split(line.strip(), maxsplit=1))
    for command, *about in found:
        yield f"`{command}`", " ".join(about)


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines)
