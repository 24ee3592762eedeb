"""Pages as Markdown, in the dialect that has tables (GitHub Flavored Markdown)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

from image.manual.blocks import Block, Code, Heading, Paragraph, Points

WIDTH = 120
WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}


def written(title: str, blocks: Iterable[Block]) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", *map(_block, blocks)]) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * (block.level + 1)} {_escaped(block.text)}"
        case Paragraph():
            return fill(_escaped(block.text), WIDTH, **WHOLE)
        case Code():
            return f"```yaml\n{block.text.rstrip()}\n```"
        case Points():
            return "\n".join(
                fill(_escaped(point), WIDTH, initial_indent="- ", subsequent_indent="  ", **WHOLE)
                for point in block.points
            )
        case _:
            return "\n".join([_row(block.head), _row(["---"] * len(block.head)), *map(_row, block.rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _escaped(text: str) -> str:
    """What stands between backquotes stays; in a table, their | is escaped even so."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<\\])", r"\\\1", part) for part in parts)
