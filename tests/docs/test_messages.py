"""What messages, helps and templates say in backquotes can be typed: the command line's own parser takes it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance import cli
from appliance.errors import InputError
from image.recipe import PROJECT

PACKAGES = ("appliance", "image", "firstboot")
SPOKEN = re.compile(r"`appliance ([^`]+)`")
HOLES: Mapping[str, str] = {"profile": "gateway", "profile or Profile.GATEWAY": "gateway", "called": "status"}
"""What may stand in the place of an expression; a command that is somebody's word is any of them."""
NAMED = ("check", "explain", "lab")
"""Commands that are spoken of by their names alone, without what they need."""
WORDS: Mapping[str, str] = {"COMMAND": "status", "IMAGE": "a.img", "PROFILE": "gateway", "THING": "tunnel"}


@dataclass(frozen=True)
class Spoken:
    """Words after `appliance`, and the file that says them."""

    file: str
    words: str


def spoken() -> Iterator[Spoken]:
    for package in PACKAGES:
        for file in sorted((PROJECT / package).rglob("*")):
            if file.suffix in (".py", ".j2"):
                name = str(file.relative_to(PROJECT))
                for text in messages(file) if file.suffix == ".py" else [file.read_text(encoding="utf-8")]:
                    yield from (Spoken(name, " ".join(words.split())) for words in SPOKEN.findall(text))


def messages(file: Path) -> Iterator[str]:
    """The texts in a module, but those that only tell of its code; an expression within one is what `HOLES` says."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    about = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(map(_part, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in about | parts:
            yield node.value


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return HOLES.get(ast.unparse(part.value), "status")


ALL = sorted({(one.words, one.file) for one in spoken() if one.words not in NAMED})


def test_they_are_found() -> None:
    assert ("init gateway -o FILE", "image/cli/build.py") in ALL
    assert len(ALL) > 20


@pytest.mark.parametrize(("words", "file"), ALL)
def test_it_can_be_typed(words: str, file: str) -> None:
    typed = [WORDS.get(word, word) for word in shlex.split(words)]
    try:
        assert cli.parser_of(PACKAGES).parse_args(typed).command == typed[0]
    except InputError as error:
        pytest.fail(f"{file}: `appliance {words}`: {error}")
    except SystemExit as help_shown:
        assert help_shown.code == 0
