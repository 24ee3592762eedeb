"""Pages as man(7) has them, for groff and mandoc.

Everything but ASCII is written by its number, so that no reader has to guess the encoding; hyphens and quotes as
those of commands, so that what is copied from a page can be typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from image.manual.blocks import Block, Code, Heading, Paragraph, Points, Table

LONG = 40
SPECIAL = {"\n": r"\:", "\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
"""By groff_char(7); each of them is shown as another character if it stands by itself."""


def written(name: str, section: int, summary: str, version: str, blocks: Iterable[Block]) -> str:
    """A whole page, in which no word is hyphenated (groff_man(7)).

    It has no date, as systemd's have none: the version says more, and is the same every day.
    """
    lines = [".nr HY 0", f'.TH {name.upper()} {section} "" "appliance {version}"', ".ad l"]
    lines += [".SH NAME", rf"{_escaped(name)} \- {_escaped(summary)}"]
    for block in blocks:
        found = list(_block(block))
        after_heading = lines[-1].startswith((".SH", ".SS"))  # where there is a paragraph anyway
        lines += found[1:] if after_heading and found[0] == ".PP" else found
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            text = block.text.upper() if block.level == 1 else block.text
            yield f'.S{"H" if block.level == 1 else "S"} "{_text(text)}"'
        case Paragraph():
            yield ".PP"
            yield _line(block.text)
        case Code():
            yield from (".PP", ".RS 4", ".EX")
            yield from (_plain_line(line) for line in block.text.rstrip().splitlines())
            yield from (".EE", ".RE")
        case Points():
            for point in block.points:
                yield from (r".IP \(bu 2", _line(point))
        case Table():
            yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    """A page is too narrow for columns: each row is a paragraph, tagged with its first cell."""
    for first, *others in table.rows:
        told = [others[0], *(f"{head}: {cell}" for head, cell in zip(table.head[2:], others[1:], strict=True) if cell)]
        text = ". ".join(part.rstrip(".") for part in told if part)
        yield ".TP" if text else ".PP"
        yield _line(first)
        if text:
            yield _line(text if text.endswith("?") else f"{text}.")


def _line(text: str) -> str:
    """A line of text must not begin as a request does."""
    return _guarded(_text(text))


def _plain_line(text: str) -> str:
    return _guarded(_escaped(text))


def _guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) or not line else line


def _text(text: str) -> str:
    parts = re.split(r"(`[^`]*`|\*[A-Z][A-Z_]*\*)", text)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    marks = {"`": "B", "*": "I"}
    if len(part) > 2 and part[0] in marks and part[0] == part[-1]:
        return rf"\f{marks[part[0]]}{_escaped(part[1:-1])}\fP"
    return _escaped(part)


def _escaped(text: str) -> str:
    """In a word of that length, it may be broken in the middle, or it would not fit."""
    breakable = re.sub(rf"(\S{{{LONG}}})(?=\S)", "\\1\n", text)
    return "".join(SPECIAL.get(each, each if each.isascii() else rf"\[u{ord(each):04X}]") for each in breakable)
