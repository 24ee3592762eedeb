"""`appliance plan [FILE]`: what differs, which action is for it, and which line wants it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.errors import InputError
from firstboot.cli import status
from firstboot.cli.asking import asked
from firstboot.cli.wording import begins_with, lines_told
from firstboot.paths import CONFIG_NAME


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Tell what is not as appliance.yaml wants it, what would be done about it and which line wants it. Nothing is\n"
        "changed. The daemon puts right at once what it can, so usually nothing is left.\n\n"
        "With FILE, tell what would be done if that were appliance.yaml. It is read and checked as by\n"
        "`appliance check`; nothing is changed, and nothing is put on trial. The daemon is asked, so it is the same\n"
        "that it would do; what can only be known later (an address by DHCP, an interface that is made first) it\n"
        "cannot tell yet."
    )
    parser.epilog = (
        "examples:\n"
        "  appliance plan                      what is not right now\n"
        "  sudo appliance plan new.yaml        what new.yaml would change\n"
        "  sudo cp new.yaml /boot/appliance.yaml   has it done, on trial for a minute; where it is a package:\n"
        "                                          sudo cp new.yaml /etc/appliance/appliance.yaml"
    )
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="a configuration to try out on paper")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    found = asked("Plan") if arguments.file is None else _asked_about(arguments.file)
    name = CONFIG_NAME if arguments.file is None else arguments.file.name
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_told(each, name) for each in found["kinds"]) or "Nothing differs, nothing would be done.")
    return 0


def _asked_about(file: Path) -> dict[str, Any]:
    """Raises `InputError` for a file that is not right, in the words of `appliance check`."""
    from appliance import decoding, parse, validate  # noqa: PLC0415 (PyYAML takes a Pi Zero a second to load)

    data = parse.content(file)
    validate.warn(parse.parse_text(data, str(file)))
    status.require_root(f"plan {file}", "only root may have a plan made for another configuration")
    try:
        return asked("PlanFor", decoding.decoded(data))
    except InputError as error:  # what is wrong with it on this machine, of which only the daemon knows
        message = re.sub(rf"^{re.escape(CONFIG_NAME)}(?=:\d+:\d+: )", lambda _: str(file), error.message, flags=re.M)
        raise InputError(message, hint=error.hint) from error


def _told(kind: Mapping[str, Any], name: str) -> str:
    return "\n".join(_lines(kind, name))


def _lines(kind: Mapping[str, Any], name: str) -> Iterator[str]:
    where = f" ({name} line {kind['line']}, {kind['setting']})" if kind["error"] and kind["line"] else ""
    yield f"{kind['kind']}{where}"
    for each in kind["difference"]:
        yield f"  differs: {each}" + lines_told(name, begins_with(each, kind["wanted_by"]))
    for each in kind["actions"]:
        yield f"  would: {each}"
    if kind["error"]:
        yield f"  waits: {kind['error']}"
    if kind["hint"]:
        yield f"    hint: {kind['hint']}"
