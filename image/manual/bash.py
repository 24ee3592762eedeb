"""What has bash complete the commands.

All that it knows is in the text, so that no program is started on Tab (Python takes a Pi Zero more than a second), and
it needs nothing but bash, also where the package bash-completion is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from string import Template

from image.manual.commands import Argument, Command, Takes

FUNCTION = Template("""\
# What appliance(1) can be followed by, for bash. Generated from its options.

_appliance() {
    local current=$${COMP_WORDS[COMP_CWORD]} command='' option='' place=0 takes='' values='' word
    # What is there before: the command, the option that a value is for, and how many other words.
    for word in "$${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $$word == = ]]; then
            continue # bash has --option=value in three words
        elif [[ -n $$option && $$word != -* ]]; then
            case "$$command $$option" in
$repeated
                *) option='' ;;
            esac
        else
            option=''
            case "$$command $$word" in
$commands
                $valued) option=$$word ;;
                *' -'*) ;;
                *) place=$$((place + 1)) ;;
            esac
        fi
    done
    [[ $$current == = ]] && current=''
    if [[ -n $$option && $$current != -* ]]; then
        case "$$command $$option" in
$of_options
        esac
    elif [[ $$current == -* ]]; then
        case $$command in
$options
        esac
    else
        case "$$command $$place" in
$of_places
        esac
    fi
    case $$takes in
        file) compopt -o default ;; # bash's own way knows about ~ and spaces
        folder) compopt -o dirnames ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$$values" -- "$$current")
}

complete -F _appliance appliance
""")


def written(root: Command) -> str:
    """The whole file, for `source`."""
    every = list(root.all())
    named = [(command, each) for command in every for each in command.arguments if each.flags]
    valued = [(command, each) for command, each in named if each.takes is not Takes.NOTHING]
    below = [command for command in every if command.words]
    return FUNCTION.substitute(
        repeated="\n".join(_case(_keys(command, each), ":", deep=True) for command, each in valued if each.repeated),
        commands="\n".join(
            _case(_key(each.words[:-1], each.words[-1]), f"command='{' '.join(each.words)}'", deep=True)
            for each in below
        ),
        valued="|".join(_keys(command, each) for command, each in valued),
        of_options="\n".join(_case(_keys(command, each), _values(each)) for command, each in valued),
        options="\n".join(_case(f"'{' '.join(each.words)}'", f"values='{' '.join(_flags(each))}'") for each in every),
        of_places="\n".join(line for each in every for line in _places(each)),
    )


def _key(words: tuple[str, ...], word: str) -> str:
    return f"'{' '.join(words)} {word}'"


def _keys(command: Command, argument: Argument) -> str:
    return "|".join(_key(command.words, flag) for flag in argument.flags)


def _case(key: str, then: str, *, deep: bool = False) -> str:
    return f"{' ' * (16 if deep else 12)}{key}) {then} ;;"


def _values(argument: Argument) -> str:
    if argument.choices:
        return f"values='{' '.join(argument.choices)}'"
    return f"takes='{argument.takes.value}'"


def _flags(command: Command) -> Iterator[str]:
    return (flag for argument in command.arguments for flag in argument.flags)


def _places(command: Command) -> Iterator[str]:
    """What can stand at each place that has its meaning by where it is."""
    if command.commands:
        names = " ".join(below.words[-1] for below in command.commands)
        yield _case(_key(command.words, "0"), f"values='{names}'")
    for place, argument in enumerate(each for each in command.arguments if not each.flags):
        yield _case(_key(command.words, str(place)), _values(argument))
