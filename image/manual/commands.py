"""The commands as data: what their parsers know, for the manual page and for shells.

argparse tells a program nothing of what is in a parser, so its private attributes are read, as everybody does who
describes one; a test has all that it finds parsed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from appliance import cli

EVERY_SIDE = ("appliance", "image", "firstboot")
"""The packages in which all commands are, as on the build host."""

FOLDERS = ("DIR", "FOLDER")
FILES = ("FILE", "BASE")
"""What stands for a file in usages, beside all that is a path."""


class Takes(Enum):
    """What an argument's value is."""

    NOTHING = "nothing"
    WORD = "word"
    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True)
class Argument:
    """An option, or (without flags) a word that has its meaning by its place."""

    flags: tuple[str, ...]
    value: str
    """What stands for its value in usages; "" where it takes none."""
    takes: Takes
    choices: tuple[str, ...]
    """All that may stand there, where that is known."""
    offered: tuple[str, ...]
    """What shells complete: the choices, or names of which there may be others."""
    required: bool
    repeated: bool
    """Whether several values may follow each other."""
    about: str


@dataclass(frozen=True)
class Command:
    """A command, with those that are below it."""

    words: tuple[str, ...]
    """As it is called, without `appliance`; () is `appliance` itself."""
    summary: str
    description: str
    epilog: str
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]
    left_out: Command | None = None
    """Which of these is meant by a word in their place that is none."""

    def all(self) -> Iterator[Command]:
        """It, and all below it."""
        yield self
        for command in self.commands:
            yield from command.all()


def commands_of(packages: Collection[str]) -> Command:
    """`appliance`, as it is where these packages are installed."""
    return _command(cli.parser_of(packages), (), "")


def _command(parser: argparse.ArgumentParser, words: tuple[str, ...], summary: str) -> Command:
    actions = parser._actions
    below = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    commands = tuple(
        _command(action.choices[choice.dest], (*words, choice.dest), choice.help or "")
        for action in below
        for choice in action._choices_actions
    )
    left_out = {getattr(action, "left_out", "") for action in below}
    return Command(
        words,
        summary,
        (parser.description or "").strip(),
        (parser.epilog or "").strip(),
        tuple(_argument(action, parser.prog) for action in actions if action not in below),
        commands,
        next((each for each in commands if each.words[-1] in left_out), None),
    )


def _argument(action: argparse.Action, program: str) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    value = _value(action, choices)
    return Argument(
        tuple(action.option_strings),
        value,
        _takes(action, value),
        choices,
        choices or tuple(getattr(action.type, "offered", ())),
        action.required and action.nargs != "?",
        action.nargs in ("+", "*"),
        (action.help or "") % {**vars(action), "prog": program},
    )


def _value(action: argparse.Action, choices: tuple[str, ...]) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(choices) if choices else action.dest.upper()


def _takes(action: argparse.Action, value: str) -> Takes:
    if not value:
        return Takes.NOTHING
    if value in FOLDERS:
        return Takes.FOLDER
    return Takes.FILE if action.type is Path or value in FILES else Takes.WORD
