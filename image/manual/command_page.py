"""appliance(1): all commands of one side, from their parsers."""

from __future__ import annotations

from collections.abc import Iterator

from appliance import cli
from image.manual.blocks import Block, Heading, Paragraph, Table
from image.manual.commands import Argument, Command, Takes
from image.manual.prose import blocks_of

EXIT_CODES = (
    (f"`{cli.DONE}`", "done; of `appliance status`: everything is as it shall be"),
    (f"`{cli.FAILED}`", "failed; of `appliance status`: not everything is as it shall be"),
    (f"`{cli.WRONG_INPUT}`", "what was given is wrong: an option, a file, or something in it"),
    (f"`{cli.INTERRUPTED}`", "interrupted, as by Ctrl-C"),
    ("`77`", "of `appliance daemon`: it is not allowed to change the network"),
)
ENVIRONMENT = (
    ("`APPLIANCE_TRACEBACK`", "if it is set, an unexpected error says where it came from"),
    ("`NO_COLOR`", "if it is set, nothing is in colour; neither is what is not for a terminal"),
)
FILES = (
    ("`/etc/appliance/appliance.yaml`", "what the machine shall be, where the package was installed"),
    ("`/boot/appliance.yaml`", "the same on a Pi that was made from an image, on the card's small partition"),
    ("`/usr/share/doc/appliance/examples`", "one to start from"),
    ("`/run/appliance/status.txt`", "what `appliance status` prints"),
    ("`/run/appliance/status.json`", "what `appliance status --json` prints"),
    ("`/var/lib/appliance`", "what the daemon keeps, such as the last good configuration"),
)
FILES_OF_BUILDS = (("`~/.cache/appliance`", "what builds keep; `$XDG_CACHE_HOME/appliance` where that is set"),)


def page(root: Command) -> Iterator[Block]:
    """What comes after the name."""
    yield Heading("Synopsis")
    yield from (Paragraph(_usage(command)) for command in root.all() if not command.commands)
    yield Heading("Description")
    yield from blocks_of(root.description)
    yield Paragraph("`appliance` *COMMAND* `--help` tells of a command what stands here.")
    yield Heading("Commands")
    for command in root.commands:
        yield from _told(command)
    yield Heading("Exit status")
    yield Table(("Code", "Meaning"), EXIT_CODES)
    yield Heading("Environment")
    yield Table(("Variable", "Meaning"), ENVIRONMENT)
    yield Heading("Files")
    builds = any(command.words == ("build",) for command in root.commands)
    yield Table(("File", "What it is"), (*FILES, *(FILES_OF_BUILDS if builds else ())))
    yield Heading("See also")
    yield Paragraph("`appliance.yaml`(5)")


def _told(command: Command) -> Iterator[Block]:
    yield Heading(" ".join(command.words), 2)
    yield from blocks_of(command.description or f"{command.summary[:1].upper()}{command.summary[1:]}.")
    rows = [(_term(argument), argument.about) for argument in command.arguments if "--help" not in argument.flags]
    if rows:
        yield Table(("Argument", "Meaning"), tuple(rows))
    for below in command.commands:
        yield from _told(below)
    yield from blocks_of(command.epilog)


def _usage(command: Command) -> str:
    arguments = (argument for argument in command.arguments if "--help" not in argument.flags)
    return " ".join([f"`{' '.join(('appliance', *command.words))}`", *map(_in_usage, arguments)])


def _in_usage(argument: Argument) -> str:
    again = " ..." if argument.repeated else ""
    value = f"{_value(argument)}{again}"
    words = f"`{argument.flags[-1]}` {value}".rstrip() if argument.flags else value
    return words if argument.required else f"[{words}]"


def _term(argument: Argument) -> str:
    flags = ", ".join(f"`{flag}`" for flag in argument.flags)
    return f"{flags} {_value(argument)}".strip()


def _value(argument: Argument) -> str:
    if argument.takes is Takes.NOTHING:
        return ""
    return "|".join(f"`{choice}`" for choice in argument.choices) if argument.choices else f"*{argument.value}*"
