"""`appliance plan`: what differs now, which action is for it, and which line of appliance.yaml wants it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from firstboot.cli.asking import asked


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = (
        "Tell what is not as appliance.yaml wants it, what would be done about it and which line wants it. Nothing is "
        "changed. The daemon puts right at once what it can, so usually nothing is left."
    )
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    found = asked("Plan")
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_told(each) for each in found["kinds"]) or "Nothing differs, nothing would be done.")
    return 0


def _told(kind: Mapping[str, Any]) -> str:
    where = f" (appliance.yaml line {kind['line']}, {kind['setting']})" if kind["line"] else ""
    lines = [f"{kind['kind']}{where}"]
    lines += [f"  differs: {each}" for each in kind["difference"]]
    lines += [f"  would: {each}" for each in kind["actions"]]
    if kind["error"]:
        lines.append(f"  waits: {kind['error']}")
    if kind["hint"]:
        lines.append(f"    hint: {kind['hint']}")
    return "\n".join(lines)
