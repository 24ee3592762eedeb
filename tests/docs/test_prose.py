"""Commands and options that stand in a sentence of README.md and docs/, and are run by no test: they are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

import pytest

from appliance import cli
from appliance.errors import InputError
from image.manual.commands import EVERY_SIDE, Argument, commands_of
from image.recipe import PROJECT
from tests.docs.test_links import PAGES, without_code

INLINE = re.compile(r"`(?:sudo )?((?:appliance|make)(?: [^`]+)?|--[a-z][^`]*)`")
WORDS: Mapping[str, str] = {
    "COMMAND": "status",
    "FILE": "a.yaml",
    "PROFILE": "gateway",
    "ADDRESS": "192.0.2.1",
    "DIR": "logs",
    "…": "a",
}
"""What stands in a sentence for what a reader puts there."""
OF_OTHERS = {"--privileged"}
"""Docker's."""

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((?:if )?\$?\(?([A-Z0-9]+)\)", MAKEFILE))
COMMANDS = commands_of(EVERY_SIDE)


def told() -> Iterator[tuple[str, str]]:
    """Page by page, what is said."""
    for page in PAGES:
        found = {" ".join(words.split()) for words in INLINE.findall(without_code(page))}
        yield from ((page.name, words) for words in sorted(found - OF_OTHERS))


ALL = list(told())


def wrong_of_make(words: list[str]) -> str:
    """What `make` would not know of them; "" if nothing."""
    for word in words:
        name, is_set, _ = word.partition("=")
        if name not in (VARIABLES if is_set else TARGETS):
            return f"the Makefile has no {name}"
    return ""


def wrong_of_appliance(words: list[str]) -> str:
    """The same of `appliance`; what it needs besides may be left out where a command is only named."""
    if any(command.words == tuple(words) for command in COMMANDS.all()):
        return ""
    try:
        cli.parser_of(EVERY_SIDE).parse_args(words)
    except InputError as error:
        return str(error)
    except SystemExit as end:  # --help
        return "" if end.code == 0 else "it ends"
    return ""


def wrong_of_options(words: list[str]) -> str:
    """An option, and its value, of which command nobody says: it is there if one has it."""
    option, *values = words
    arguments = [one for command in COMMANDS.all() for one in command.arguments if option in one.flags]
    return "" if any(fits(one, values) for one in arguments) else f"no command has {' '.join(words)}"


def fits(argument: Argument, values: list[str]) -> bool:
    """Whether an option can have these, or be named without any."""
    return not values or (bool(argument.value) and (not argument.choices or {*values} <= {*argument.choices}))


def wrong(said: str) -> str:
    """What cannot be typed of what is said; "" if all of it can."""
    words = [WORDS.get(word, word) for word in shlex.split(said)]
    match words:
        case ["make", *rest]:
            return wrong_of_make(rest)
        case ["appliance", *rest]:
            return wrong_of_appliance(rest)
    return wrong_of_options(words)


def test_they_are_found() -> None:
    assert {("README.md", "make bench"), ("README.md", "--board zero"), ("images.md", "appliance stamp --help")} <= {
        *ALL
    }
    assert len(ALL) > 60


@pytest.mark.parametrize(("page", "said"), ALL)
def test_it_is_there(page: str, said: str) -> None:
    assert not wrong(said), page


@pytest.mark.parametrize(
    "said",
    [
        "make pages",
        "make bench SUBJECT=build",
        "appliance builds",
        "appliance build --boards zero",
        "appliance lab look",
        "--boards zero",
        "--board one",
        "--plan zero",
    ],
)
def test_what_is_not_there_is_found(said: str) -> None:
    assert wrong(said)
