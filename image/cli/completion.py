"""`appliance completion`."""

from __future__ import annotations

import argparse
import sys

from image.manual import bash, fish, zsh
from image.manual.commands import EVERY_SIDE, commands_of

SHELLS = {"bash": bash.written, "fish": fish.written, "zsh": zsh.written}

EXAMPLES = """\
examples:
  source <(appliance completion bash)
      in this shell; in zsh the same, after compinit; in fish: appliance completion fish | source
  appliance completion bash > ~/.local/share/bash-completion/completions/appliance
      from now on, where the package bash-completion is installed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = "Print what has a shell complete commands, options and files on Tab. A Pi has it already."
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=tuple(SHELLS), help="for which shell")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(SHELLS[arguments.shell](commands_of(EVERY_SIDE)))
    return 0
