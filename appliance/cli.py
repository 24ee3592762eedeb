"""The command line: the composition root, and the only place that knows of both sides.

A command is a module with two functions:

    configure(parser: argparse.ArgumentParser) -> None    its options, description and examples
    run(arguments: argparse.Namespace) -> int             does it; gives the exit code

`COMMANDS` names the modules. One is imported only when its command is called, so that on a Pi Zero
`appliance status` does not pay for PyYAML, and `appliance check` for neither side. A command whose
module is not installed (the build host's on the device, and the other way round) is not listed.

Exit codes: 0 done, 1 failed, 2 the input is wrong, 130 interrupted, as shells have it for Ctrl-C (of the daemon also
77: it may not do its work). An error is one message and one hint on stderr; APPLIANCE_TRACEBACK=1 shows where an
unexpected one came from. A KeyboardInterrupt may have a sentence about how to go on.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import NoReturn

from appliance.errors import ApplianceError, ConfigError, InputError
from appliance.terminal import Colour, painted

MISSING = "the following arguments are required: "
"""How argparse begins when some are."""

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 128 + signal.SIGINT


@dataclass(frozen=True)
class Command:
    """A command's name, the module that does it, and what it does in one line."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("init", "appliance.init", "write an appliance.yaml to start from"),
    Command("check", "appliance.validate", "say what is wrong in an appliance.yaml"),
    Command("schema", "appliance.schema", "print the JSON Schema of appliance.yaml, for editors"),
    Command("build", "image.cli.build", "build an SD card image"),
    Command("flash", "image.cli.flash", "write an image to a card, and read it back"),
    Command("lab", "image.cli.lab", "boot an image here, with a network around it: watch it, look in, break things"),
    Command("cache", "image.cli.cache", "see, trim or verify what builds keep"),
    Command("stamp", "image.cli.stamp", "make an image for each of many devices out of one"),
    Command("deb", "image.cli.deb", "build a package for a machine that is not made from an image"),
    Command("completion", "image.cli.completion", "print what has a shell complete these commands"),
    Command("status", "firstboot.cli.status", "on the device: what is up, and what is not and why"),
    Command("logs", "firstboot.cli.logs", "on the device: what the daemon has done, and what was denied"),
    Command("plan", "firstboot.cli.plan", "on the device: what differs, and what would be done about it"),
    Command("explain", "firstboot.cli.explain", "on the device: all that is known of one part, and its history"),
    Command("apply", "firstboot.cli.apply", "on the device: make everything as appliance.yaml says, now"),
    Command("firewall", "firstboot.cli.firewall", "tell the firewall's policy, or which rule decides about a packet"),
    Command("confirm", "firstboot.cli.confirm", "on the device: keep a new configuration that is on trial"),
    Command("daemon", "firstboot.cli.daemon", "on the device: the service that keeps it so"),
)

EXAMPLES = """\
examples:
  appliance init gateway              writes appliance.yaml: fill in what stands in <angle brackets>
  appliance check appliance.yaml      says what is wrong with it, and on which line

`appliance COMMAND --help` says more about a command.
Exit codes: 0 done, 1 failed, 2 the input is wrong, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except ApplianceError as error:
        _report(error)
        return error.exit_code
    except KeyboardInterrupt as error:
        behind_typed = "\n" if sys.stderr.isatty() else ""  # which shows ^C
        print(f"{behind_typed}{str(error) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        return FAILED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _report(ApplianceError("the disk is full", hint="make room where the output goes, and call it again"))
            return FAILED
        if os.environ.get("APPLIANCE_TRACEBACK"):
            raise
        hint = "this is a bug in appliance; APPLIANCE_TRACEBACK=1 shows where, please report it with that"
        _report(ApplianceError(f"{type(error).__name__}: {error}", hint=hint))
        return FAILED
    return code


def _run(argv: Sequence[str]) -> int:
    known = [command for command in COMMANDS if installed(command.module)]
    called = next((word for word in argv if not word.startswith("-")), None)
    if called is not None and called not in {command.name for command in known}:
        raise _unknown(called, known)
    parser = _parser(known, configured={called})
    if not argv:
        parser.print_help()
        return WRONG_INPUT
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        raise _misused(f"appliance {arguments.command}", f"{unknown[0]} is not expected here")
    module = next((command.module for command in known if command.name == arguments.command), None)
    return int(importlib.import_module(module).run(arguments)) if module is not None else WRONG_INPUT


class _Parser(argparse.ArgumentParser):
    """What argparse finds wrong is one message and one hint, as all errors are."""

    def error(self, message: str) -> NoReturn:
        missing = message.removeprefix(MISSING).split(", ") if message.startswith(MISSING) else []
        raise _misused(self.prog, message.removeprefix("argument "), self._choices_of(missing))

    def _choices_of(self, names: Sequence[str]) -> str:
        """The beginning of a hint, about those of the arguments that take one of a few words."""
        found = [each for each in self._actions if each.choices and (each.metavar or each.dest) in names]
        return "".join(f"{each.metavar or each.dest} is one of {', '.join(each.choices or ())}; " for each in found)


def _misused(program: str, message: str, choices: str = "") -> InputError:
    return InputError(f"{program}: {message}", hint=f"{choices}`{program} --help` shows how it is called")


def parser_of(packages: Container[str]) -> argparse.ArgumentParser:
    """The parser of all commands that are in these packages, each with its options: for whoever describes them.

    It imports the modules of all of them.
    """
    commands = [command for command in COMMANDS if command.module.partition(".")[0] in packages]
    return _parser(commands, configured={command.name for command in commands})


def _parser(commands: Sequence[Command], configured: Container[str | None]) -> argparse.ArgumentParser:
    """Of these commands; only of those `configured` the options are known, and the modules imported."""
    parser = _without_commands()
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in commands:
        one = subparsers.add_parser(
            command.name, help=command.summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if command.name in configured:
            importlib.import_module(command.module).configure(one)
    return parser


def _without_commands() -> argparse.ArgumentParser:
    return _Parser(
        prog="appliance",
        description=(
            "A Raspberry Pi network appliance: flash an image, edit one file, plug it in. Its daemon keeps any other\n"
            "Debian's network right as well."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def installed(module: str) -> bool:
    """Say whether a module can be found, importing nothing, not even the packages that it is in."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    name = package
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec is not None


def _unknown(called: str, installed: Sequence[Command]) -> InputError:
    elsewhere = {command.name: command for command in COMMANDS if command not in installed}
    if called in elsewhere:
        side = "the Pi" if elsewhere[called].module.startswith("firstboot") else "the machine that builds images"
        return InputError(f"`appliance {called}` is not installed here", hint=f"it is a command for {side}")
    names = [command.name for command in installed]
    near = difflib.get_close_matches(called, names, 1)
    hint = f"did you mean `appliance {near[0]}`?" if near else f"there are: {', '.join(names)}"
    return InputError(f"there is no command {called!r}", hint=hint)


def _report(error: ApplianceError) -> None:
    if isinstance(error, ConfigError):  # FILE:LINE:COL at the beginning of the line, where editors look for it
        print(error, file=sys.stderr)
        count = len(error.problems)
        print(painted(f"{count} problem{'s' if count > 1 else ''}", Colour.RED, sys.stderr), file=sys.stderr)
        return
    print(f"{painted('error:', Colour.RED, sys.stderr)} {error.message}", file=sys.stderr)
    if error.hint:
        print(f"{painted('hint:', Colour.YELLOW, sys.stderr)} {error.hint}", file=sys.stderr)
