"""What docs/lab.md shows of a lab are sentences that it can say, and the daemon in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from image.recipe import PROJECT
from tests.docs.blocks import blocks
from tests.docs.sentences import HOLE, Sentence, joined, letters, sentences

SOURCES = ("image/lab", "image/cli", "firstboot", "appliance")
SECONDS = re.compile(r" *\d+\.\d s  ")
ADDRESS = re.compile(r"(by )?[0-9a-f.:]+(/\d+)?")
SHOWN = [
    line
    for block in blocks(PROJECT / "docs/lab.md")
    if block.tag == "text of the lab"
    for line in block.text.splitlines()
]


def texts() -> Iterator[str]:
    """What is in the sources, with holes; not what is nothing but holes."""
    for folder in SOURCES:
        for file in (PROJECT / folder).rglob("*.py"):
            found = (joined(node) for node in ast.walk(ast.parse(file.read_text())))
            yield from (text.replace("{}", HOLE) for text in found if text is not None)


@pytest.fixture(scope="module")
def said() -> list[Sentence]:
    """Whatever can be."""
    known = {text for text in texts() if HOLE not in text or len(letters(text)) > 5}
    return [*(Sentence(text, "") for text in known), *sentences()]


def can_be_said(told: str, said: list[Sentence]) -> bool:
    """As a whole, or what stands before a colon and what stands behind it."""
    if ADDRESS.fullmatch(told) or any(sentence.fits(told) for sentence in said):
        return True
    begun = (told[: found.start()] for found in re.finditer(": ", told))
    return any(can_be_said(head, said) and can_be_said(told[len(head) + 2 :], said) for head in begun)


@pytest.mark.parametrize("line", SHOWN)
def test_it_is_as_the_lab_says_it(line: str, said: list[Sentence]) -> None:
    told = SECONDS.sub("", line)
    assert can_be_said(told.removesuffix(":"), said) or can_be_said(told, said)


def test_nobody_says_what_is_made_up(said: list[Sentence]) -> None:
    assert len(SHOWN) > 25
    for told in (
        "the engine: runs",
        "client, IPv6 address: perhaps",
        "reach: waiting: whether the tunnel sings is not known",
    ):
        assert not can_be_said(told, said)
