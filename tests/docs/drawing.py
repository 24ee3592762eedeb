"""A picture of a terminal: text with colours as SVG, which a browser shows sharp at any size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

COLUMNS = 100
CHARACTER_W, LINE_H, FONT_SIZE = 8.4, 20, 14
MARGIN, BAR_H = 18, 34
PROMPT = "$ "

BACKGROUND, BAR, BORDER, TITLE = "#0d1117", "#161b22", "#30363d", "#8b949e"
TEXT, STRONG = "#c9d1d9", "#f0f6fc"
COLOURS = {"31": "#ff7b72", "32": "#56d364", "33": "#e3b341"}
"""On a dark ground, which is well to be read on a page that is light and on one that is dark."""
LIGHTS = ("#ff5f57", "#febc2e", "#28c840")
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")

Cell = tuple[str, str]
"""A character and its colour."""


@dataclass(frozen=True)
class Run:
    """Characters of one colour, from a column on."""

    column: int
    text: str
    colour: str


def svg(text: str, title: str) -> str:
    """The picture of what a terminal of `COLUMNS` shows; a line that begins with PROMPT was typed."""
    lines = [list(_runs(cells)) for line in text.rstrip("\n").split("\n") for cells in _wrapped(_cells(line))]
    width, height = round(2 * MARGIN + COLUMNS * CHARACTER_W), BAR_H + 2 * MARGIN + LINE_H * len(lines)
    named, first_y = escape(title), BAR_H + MARGIN + FONT_SIZE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label="{named}"><title>{named}</title>',
            *_window(width, height, named),
            f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" style="white-space:pre">',
            *(_drawn(run, first_y + LINE_H * number) for number, line in enumerate(lines) for run in line),
            "</g></svg>\n",
        ]
    )


def _window(width: int, height: int, title: str) -> Iterator[str]:
    right = width - 1
    frame = f'width="{right}" height="{height - 1}" rx="10" fill="{BACKGROUND}" stroke="{BORDER}"'
    yield f'<rect x=".5" y=".5" {frame}/>'
    yield f'<path d="M1 {BAR_H}V11A10 10 0 0 1 11 1H{right - 10}A10 10 0 0 1 {right} 11V{BAR_H}Z" fill="{BAR}"/>'
    for number, light in enumerate(LIGHTS):
        yield f'<circle cx="{20 + 20 * number}" cy="{BAR_H / 2}" r="6" fill="{light}"/>'
    style = f'text-anchor="middle" font-family="system-ui, sans-serif" font-size="13" fill="{TITLE}"'
    yield f'<text x="{width / 2}" y="{BAR_H / 2 + 5}" {style}>{title}</text>'


def text_of(picture: str) -> str:
    """What can be read in a picture, without colours and without spaces: a place is no character."""
    found = re.findall(r"<text [^>]*>([^<]*)</text>", picture.partition("<g ")[2])
    return re.sub(r"\s", "", "".join(found))


def _drawn(run: Run, y: int) -> str:
    # As wide as so many columns, whatever the font.
    length = f'textLength="{len(run.text) * CHARACTER_W:.1f}" lengthAdjust="spacingAndGlyphs"'
    weight = ' font-weight="600"' if run.colour == STRONG else ""
    x = MARGIN + run.column * CHARACTER_W
    return f'<text x="{x:.1f}" y="{y}" fill="{run.colour}"{weight} {length}>{escape(run.text)}</text>'


def _cells(line: str) -> list[Cell]:
    """The line's characters, each with its colour."""
    if line.startswith(PROMPT):
        return [(PROMPT[0], COLOURS["32"]), *((each, STRONG) for each in line[1:])]
    cells, colour, at = list[Cell](), TEXT, 0
    for sequence in (*_SEQUENCE.finditer(line), None):
        cells += [(each, colour) for each in line[at : sequence.start() if sequence else None]]
        if sequence:
            at, colour = sequence.end(), COLOURS.get(sequence[1], TEXT)
    return cells


def _wrapped(cells: list[Cell]) -> Iterator[list[Cell]]:
    """The same in lines of COLUMNS at most, at a space where there is one."""
    while len(cells) > COLUMNS:
        spaces = [at for at in range(COLUMNS // 2, COLUMNS + 1) if cells[at][0] == " "]
        cut = spaces[-1] if spaces else COLUMNS
        yield cells[:cut]
        cells = cells[cut + 1 if spaces else cut :]
    yield cells


def _runs(cells: list[Cell]) -> Iterator[Run]:
    """What is to be seen of a line: words of one colour that follow each other by one space."""
    line = "".join(character for character, _ in cells)
    for word in re.finditer(r"\S+(?: \S+)*", line):
        at = word.start()
        for colour, group in groupby(cells[at : word.end()], key=lambda cell: cell[1]):
            text = "".join(character for character, _ in group)
            if text.strip():
                yield Run(at + len(text) - len(text.lstrip()), text.strip(), colour)
            at += len(text)
