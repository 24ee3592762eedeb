"""`appliance completion`."""

from __future__ import annotations

import argparse
import sys

from image.manual import bash
from image.manual.commands import commands_of

PACKAGES = ("appliance", "image", "firstboot")
"""Whose commands are here."""

EXAMPLES = """\
examples:
  source <(appliance completion bash)
      in this shell
  appliance completion bash > ~/.local/share/bash-completion/completions/appliance
      from now on, where the package bash-completion is installed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = "Print what has a shell complete commands, options and files on Tab. A Pi has it already."
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=("bash",), help="for which shell")


def run(_: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(bash.written(commands_of(PACKAGES)))
    return 0
