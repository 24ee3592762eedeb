"""docs/troubleshooting.md: whatever the daemon can say is in it, and it quotes nothing that nobody says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from firstboot import report, status, status_text
from firstboot.broker.answers import MEANINGS
from firstboot.health.diagnosis import Diagnosis, Fault, diagnosis
from firstboot.tunnels import asking
from image.recipe import PROJECT
from tests.docs.sentences import HOLE, LEAST_LETTERS, Sentence, joined, letters, sentences
from tests.firstboot.test_diagnosis import CASES

DOCUMENT = (PROJECT / "docs/troubleshooting.md").read_text(encoding="utf-8")
SAID = "| It says |"


def quotes() -> Iterator[str]:
    """What stands on the left in the tables of what is said."""
    for table in DOCUMENT.split("\n\n"):
        if table.startswith("| "):
            for row in table.splitlines()[2:]:
                cell = row.split(" | ")[0].removeprefix("| ")
                yield from (told for _, told in re.findall(r"(`+)(.+?)\1", cell)) if table.startswith(SAID) else ()


QUOTES = list(quotes())
SENTENCES = {each.text: each for each in sentences()}
OTHERS = [
    Sentence(re.sub(r"\{[a-z]*\}", HOLE, text.strip()), "")
    for text in (
        *status_text.HEADLINES.values(),
        status_text.UP_BUT,
        report.STARTING,
        asking.SILENT,
        asking.UNTOLD,
        asking.NONSENSE,
    )
]
"""What is not said as an error."""


def every_text() -> Iterator[Sentence]:
    """All texts in the daemon's source, whatever they are for."""
    for file in sorted((PROJECT / "firstboot").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            text = joined(node)
            if text is not None and len(letters(text)) >= LEAST_LETTERS:
                yield Sentence(re.sub(r"\{[a-z]*\}", HOLE, text), file.name)


def says(text: Sentence, told: str) -> bool:
    """Whether a text that may be for anything is likely to be that: not all of it is put into the text."""
    return text.fits(told) and 4 * len(letters(text.text)) >= len(letters(told))


def most_literal(told: str, among: list[Sentence]) -> Sentence | None:
    fitting = [each for each in among if each.fits(told)]
    return max(fitting, key=lambda each: len(each.text), default=None)


def test_the_sentences_are_found() -> None:
    assert len(SENTENCES) > 90
    assert "no signal on …" in SENTENCES
    assert "the tunnel has no uplink: the uplink's router does not answer" in SENTENCES


def test_whatever_the_daemon_can_say_is_explained() -> None:
    explained = {found.text for quote in QUOTES if (found := most_literal(quote, list(SENTENCES.values())))}
    missing = [f"{each.place}: {text}" for text, each in SENTENCES.items() if text not in explained]
    assert not missing, "docs/troubleshooting.md does not say what to do about it"


def test_what_is_said_beside_errors_is_explained() -> None:
    assert [each.text for each in OTHERS if not any(each.fits(quote) for quote in QUOTES)] == []
    assert [source for source in status.Source if not any(f"the {source}." in quote for quote in QUOTES)] == [
        status.Source.FILE
    ]


def test_nothing_is_explained_that_nobody_says() -> None:
    others = [*every_text(), *OTHERS]
    unknown = [quote for quote in QUOTES if most_literal(quote, list(SENTENCES.values())) is None]
    assert [quote for quote in unknown if not any(says(text, quote) for text in others)] == []


def without_numbers(text: str) -> str:
    return re.sub(r"[\d.]*\d", "N", text)


@pytest.mark.parametrize("fault", Fault)
def test_every_diagnosis_is_quoted_as_it_is_said(fault: Fault) -> None:
    found: list[Diagnosis] = [given for seen, _ in CASES.values() if (given := diagnosis(seen)).fault is fault]
    assert found
    told = {without_numbers(quote) for quote in QUOTES}
    # By whom protocol 41 is stopped is another each time, and may be the Pi itself.
    assert {without_numbers(each.sentence).replace("this Pi", "N") for each in found} <= told


def test_every_answer_of_the_broker_is_quoted() -> None:
    assert {meaning.told for meaning in MEANINGS.values() if meaning.told} <= set(QUOTES)
