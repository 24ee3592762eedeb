"""`appliance explain PART`: what is wanted, what is there, the difference, and what was done lately."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from firstboot.cli.asking import asked

SECTIONS = (
    ("desired", "wanted"),
    ("observed", "there is"),
    ("difference", "differs"),
    ("actions", "would be done"),
    ("history", "lately (UTC)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = "Tell all that is known of one part: what is wanted, what is there, and what was done lately."
    parser.epilog = "example:\n  appliance explain tunnel\n\n`appliance status` lists the parts."
    parser.add_argument("part", metavar="PART", help="a part's name, e.g. tunnel")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print what is known."""
    found = asked("Explain", arguments.part)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    where = f"appliance.yaml line {found['line']} ({found['setting']})" if found["line"] else "every appliance"
    print(f"{found['kind']}: {found.get('state', 'not looked at yet')}, wanted by {where}")
    if found["error"] or found.get("last_error"):
        print(f"  {found['error'] or found['last_error']}")
    for name, heading in SECTIONS:
        _print(heading, found[name])
    return 0


def _print(heading: str, lines: Sequence[str]) -> None:
    print(f"{heading}:" if lines else f"{heading}: nothing")
    for line in lines:
        print(f"  {line}")
