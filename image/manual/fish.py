"""What has fish complete the commands: one `complete` for each thing that can be typed, and nothing that is started."""

from __future__ import annotations

from collections.abc import Iterator

from image.manual.commands import Argument, Command, Takes

HEAD = """\
# What appliance(1) can be followed by, for fish. Generated from its options.

complete -c appliance -f
"""
VALUES = {
    Takes.NOTHING: "",
    Takes.WORD: " -x",
    Takes.FILE: " -r -F",
    Takes.FOLDER: " -x -a '(__fish_complete_directories)'",
}


def written(root: Command) -> str:
    """The whole file, for `source`."""
    return HEAD + "".join(f"complete -c appliance{line}\n" for command in root.all() for line in _lines(command))


def _lines(command: Command) -> Iterator[str]:
    here = f" -n '{_is_called(command)}'"
    yield from (f"{here} -a {below.words[-1]} -d {_quoted(below.summary)}" for below in command.commands)
    meant = command.left_out.arguments if command.left_out else ()
    for argument in dict.fromkeys((*command.arguments, *meant)):
        if argument.flags:
            yield f"{here}{''.join(map(_flag, argument.flags))}{_values(argument)} -d {_quoted(argument.about)}"
        elif argument.offered:
            yield f"{here} -a '{' '.join(argument.offered)}' -d {_quoted(argument.about)}"
        elif argument.takes is Takes.FILE:
            yield f"{here} -F"


def _is_called(command: Command) -> str:
    """Whether it is this command that is being typed, and not yet one below it."""
    seen = [f"__fish_seen_subcommand_from {word}" for word in command.words]
    below = " ".join(each.words[-1] for each in command.commands)
    return "; and ".join([*seen, *[f"not __fish_seen_subcommand_from {below}"] * bool(below)])


def _flag(flag: str) -> str:
    return f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"


def _values(argument: Argument) -> str:
    return f" -x -a '{' '.join(argument.offered)}'" if argument.offered else VALUES[argument.takes]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
