"""What has bash complete the commands.

All that it knows is in the text, so that no program is started on Tab (Python takes a Pi Zero more than a second), and
it needs nothing but bash, also where the package bash-completion is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
                *)
                    place=$$((place + 1))
                    case $$command in
$left_out
                    esac
                    ;;
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
    mapfile -t COMPREPLY < <(compgen -W "$$values" -- "$$current")
    case $$takes in
        file)
            if (($${#COMPREPLY[@]})); then # words are among the files
                compopt -o filenames
                mapfile -t -O $${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$$current")
            else
                compopt -o default # bash's own way knows about ~ and spaces
            fi
            ;;
        folder) compopt -o dirnames ;;
    esac
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
            _case(_key(each.words[:-1], each.words[-1]), f"command={_words(each)}", deep=True) for each in below
        ),
        left_out="\n".join(
            f"{' ' * 24}{_words(each)}) command={_words(each.left_out)} ;;" for each in every if each.left_out
        ),
        valued="|".join(_keys(command, each) for command, each in valued),
        of_options="\n".join(_case(_keys(command, each), _values(each)) for command, each in valued),
        options="\n".join(_case(_words(each), f"values='{' '.join(_flags(each))}'") for each in every),
        of_places="\n".join(line for each in every for line in _places(each)),
    )


def _words(command: Command) -> str:
    return f"'{' '.join(command.words)}'"


def _key(words: tuple[str, ...], word: str) -> str:
    return f"'{' '.join(words)} {word}'"


def _keys(command: Command, argument: Argument) -> str:
    return "|".join(_key(command.words, flag) for flag in argument.flags)


def _case(key: str, then: str, *, deep: bool = False) -> str:
    return f"{' ' * (16 if deep else 12)}{key}) {then} ;;"


def _values(argument: Argument) -> str:
    if argument.offered:
        return f"values='{' '.join(argument.offered)}'"
    return f"takes='{argument.takes.value}'"


def _flags(command: Command) -> Iterator[str]:
    return (flag for argument in command.arguments for flag in argument.flags)


def _places(command: Command) -> Iterator[str]:
    """What can stand at each place that has its meaning by where it is."""
    if command.commands:
        names = " ".join(below.words[-1] for below in command.commands)
        beside = [_values(each) for each in _placed(command.left_out)[:1]] if command.left_out else []
        yield _case(_key(command.words, "0"), "; ".join([f"values='{names}'", *beside]))
    for place, argument in enumerate(_placed(command)):
        yield _case(_key(command.words, str(place)), _values(argument))


def _placed(command: Command) -> Sequence[Argument]:
    return [each for each in command.arguments if not each.flags]
