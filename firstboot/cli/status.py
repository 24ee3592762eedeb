"""`appliance status`: what is, from the daemon's last look."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TextIO

from appliance.errors import InputError, TemporaryError
from appliance.terminal import Colour, painted
from firstboot.command import run as run_program
from firstboot.paths import PART_LIST, STATUS, STATUS_TEXT

COLOURS = {
    Colour.GREEN: r"^UP: .*| ---(?= )|(?<=: )ok$",
    Colour.YELLOW: r"^(UP, BUT|NOT UP YET|WAITING)\b.*| -\?-(?= )|(?<=: )(waiting|blocked)$",
    Colour.RED: r"^(BROKEN|CHECK|ERROR)\b.*| -X-(?= )|(?<=: )failed$",
}
"""What is painted in the text that the daemon has written, line by line."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = (
        "Tell what the appliance is doing: first what is wrong or waited for, and what may be done about it. "
        "Exits with 0 when everything is as it shall be, else with 1."
    )
    parser.add_argument("--all", action="store_true", help="list all parts, also those that are as they shall be")
    parser.add_argument("--json", action="store_true", help="for programs: the whole status as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    require_daemon()
    return tell(as_json=arguments.json, all_parts=arguments.all)


def tell(*, as_json: bool, all_parts: bool = False) -> int:
    """Print what the daemon has told, and give the exit code for it."""
    content, text = _read(STATUS), _read(STATUS_TEXT)
    more = f"\n{_read(PART_LIST)}" if all_parts else ""
    sys.stdout.write(content if as_json else coloured(text + more, sys.stdout))
    return 0 if json.loads(content)["state"] == "ready" else 1


def coloured(text: str, stream: TextIO) -> str:
    """The status with what is well and what is not in colour, for a terminal."""
    for colour, pattern in COLOURS.items():
        text = re.sub(pattern, painted(r"\g<0>", colour, stream), text, flags=re.MULTILINE)
    return text


def require_daemon() -> None:
    """Raise `TemporaryError` where the daemon does not run: what it has told is of another time."""
    try:
        run_program(["systemctl", "is-active", "--quiet", "appliance.service"])
    except TemporaryError as error:
        hint = "`systemctl status appliance` says why; it runs on the appliance itself: ssh pi@NAME.local"
        raise TemporaryError("the daemon does not run", hint=hint) from error


def require_root(command: str, message: str = "only root may have the machine changed") -> None:
    """Raise `InputError` where somebody else asks for what is root's."""
    if os.geteuid() != 0:
        raise InputError(message, hint=f"sudo appliance {command}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TemporaryError("the daemon has not told anything yet", hint="try again in a few seconds") from error
