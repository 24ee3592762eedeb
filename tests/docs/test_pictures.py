"""docs/pictures: each shows what its command prints today, and each that is there is shown somewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as Xml
from html import escape

import pytest

from image.build import stages
from image.cache.store import Store
from image.flash.ending import steps
from image.phrases import PHRASES
from image.recipe import PROJECT, Recipe
from tests.docs.drawing import COLUMNS, PROMPT, svg, text_of
from tests.docs.pictures import DRAWINGS, FOLDER, LONG, drawn
from tests.docs.states import EXAMPLES

PAGES = (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"))


@pytest.mark.programs
@pytest.mark.parametrize("name", DRAWINGS)
def test_it_is_what_is_printed_today(name: str) -> None:
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == drawn(name), "`make pictures` draws it anew"


@pytest.mark.programs
@pytest.mark.parametrize("name", ["build", "build-again"])
def test_a_build_has_the_stages_of_today(name: str) -> None:
    shown = text_of((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    names = [stage.name for stage in stages(Recipe(config=b""), Store(PROJECT / ".cache/none"))]
    behind = (rf"{stage}:(unchanged|[\d.]+s{re.escape(_seen(PHRASES[stage]))})" for stage in names)
    assert re.search(".*?".join(behind), shown), "`make pictures ALL=1` draws it anew"


def _seen(words: str) -> str:
    return re.sub(r"\s", "", escape(words))


def test_what_is_said_of_a_card_is_that_of_today() -> None:
    """The card of the picture has an appliance.yaml that is filled in, and its partitions can be seen."""
    said = "".join(steps((EXAMPLES / "gateway.yaml").read_bytes(), is_disk=True, table_read=True))
    shown = text_of((FOLDER / "flash.svg").read_text(encoding="utf-8"))
    assert shown.endswith(re.sub(r"\s", "", said)), "`make pictures ALL=1` draws it anew"


def test_every_picture_is_shown_and_every_one_that_is_shown_is_there() -> None:
    shown = {found for page in PAGES for found in re.findall(r"\]\((?:docs/)?pictures/([^)]+)\)", page.read_text())}
    assert shown == {file.name for file in FOLDER.iterdir()}
    assert {f"{name}.svg" for name in (*DRAWINGS, *LONG)} <= shown


def test_a_long_line_goes_on_in_the_next_at_a_space() -> None:
    words = "word " * 30
    [first, second] = re.findall(r"<text [^>]*>(word[^<]*)</text>", svg(words, "a picture"))
    assert len(first) <= COLUMNS and first.split() + second.split() == words.split()


def test_colours_and_what_was_typed() -> None:
    picture = svg(f"{PROMPT}true\n\x1b[32mfine\x1b[0m: <all> of it", "a & b")
    assert [run.text for run in Xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")] == [
        "a & b",
        "$",
        "true",
        "fine",
        ": <all> of it",
    ]
    assert text_of(picture) == "$truefine:&lt;all&gt;ofit"
