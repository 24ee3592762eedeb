"""What has zsh complete the commands: a function for each, of which `_arguments` (zshcompsys(1)) knows the rest."""

from __future__ import annotations

from collections.abc import Iterator

from image.manual.commands import Argument, Command, Takes

HEAD = """\
#compdef appliance
# What appliance(1) can be followed by, for zsh. Generated from its options.

"""
TAIL = """\
if [[ $funcstack[1] == _appliance ]]; then _appliance "$@"; else compdef _appliance appliance; fi
"""
"""It is loaded by its name from a folder of such files, or read by `source`."""
ACTIONS = {Takes.WORD: " ", Takes.FILE: "_files", Takes.FOLDER: "_files -/"}


def written(root: Command) -> str:
    """The whole file."""
    return HEAD + "".join(f"{_function(command)}\n" for command in root.all()) + TAIL


def _function(command: Command) -> str:
    own = [spec for argument in command.arguments for spec in _specs(argument)]
    lines = [f"{_name(command)}() {{"]
    if command.commands:
        names = " ".join(f'{each.words[-1]}\\:"{_told(each.summary)}"' for each in command.commands)
        own += [f"1:command:{_or_meant(f'(({names}))', command)}", "*:: :->below"]
        lines += ['    local curcontext="$curcontext" state line; typeset -A opt_args']
        below = [f"        below:{each.words[-1]}) {_name(each)} ;;" for each in command.commands]
        if meant := command.left_out:
            put_in = f'words=({meant.words[-1]} "${{words[@]}}"); ((CURRENT++))'
            below += [f"        below:*) {put_in}; {_name(meant)} ;;"]
        lines += [_arguments(own, " && return"), "    case $state:$words[1] in", *below, "    esac"]
        return "\n".join([*lines, "}", ""])
    return "\n".join([*lines, _arguments(own, ""), "}", ""])


def _or_meant(names: str, command: Command) -> str:
    """A command's name, or what may stand in its place."""
    if command.left_out is None:
        return names
    placed = (each for each in command.left_out.arguments if not each.flags)
    others = [_quoted(f"other:{each.value}:{_action(each)}") for each in placed]
    return f" _alternative {_quoted(f'command:command:{names}')} {' '.join(others[:1])}"


def _arguments(specs: list[str], then: str) -> str:
    return f"    _arguments -C {' '.join(map(_quoted, specs))}{then}"


def _name(command: Command) -> str:
    return "_".join(("_appliance", *command.words))


def _specs(argument: Argument) -> Iterator[str]:
    """How `_arguments` is told of it; of two flags for the same, each excludes both."""
    value = f":{argument.value.replace(':', '')}:{_action(argument)}" if argument.value else ""
    if not argument.flags:
        yield f"{'' if argument.required else ':'}{value}"
        return
    once = "*" if argument.repeated else f"({' '.join(argument.flags)})"
    for flag in argument.flags:
        join = "=" if value and flag.startswith("--") else ""
        yield f"{once}{flag}{join}[{_told(argument.about)}]{value}"


def _action(argument: Argument) -> str:
    return f"({' '.join(argument.offered)})" if argument.offered else ACTIONS[argument.takes]


def _told(text: str) -> str:
    r"""In a description, ] ends it, : separates, and " quotes."""
    return "".join(f"\\{each}" if each in '[]:"\\' else each for each in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
