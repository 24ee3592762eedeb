"""`appliance firewall explain` and `test`: the policy as it is in force, and what it decides."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from firstboot.cli.asking import asked
from firstboot.command import run as run_program
from firstboot.paths import CONFIG_NAME

DROPS = 10
COLUMNS = ("from", "source", "to", "destination", "port", "nat", "action", "packets", "line", "note")


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = "The firewall: what may pass from where to where, and which rule decides."
    parser.epilog = (
        "examples:\n"
        "  appliance firewall explain                                     all rules, top down\n"
        "  appliance firewall test --from outside --to box --port tcp/22  is ssh open to the Internet?\n"
        "  appliance firewall test --from inside --to 203.0.113.9 --port udp/53"
    )
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
    explain = commands.add_parser("explain", help="tell all rules, what each has counted, and the last drops")
    test = commands.add_parser("test", help="tell which rule would decide about a packet, without sending one")
    ends = "outside, inside, box, an address, or the name of a machine inside"
    test.add_argument("--from", dest="source", required=True, metavar="WHO", help=ends)
    test.add_argument("--to", dest="destination", required=True, metavar="WHOM", help=ends)
    test.add_argument("--port", default="any", help="tcp/443, udp/53, icmp (an echo request), any")
    for command in (explain, test):
        command.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print what the daemon answers."""
    if arguments.what == "test":
        found = asked("TestFirewall", arguments.source, arguments.destination, arguments.port)
        lines = _tested(found)
    else:
        found = asked("Firewall")
        lines = _explained(found)
    print(json.dumps(found, indent=2) if arguments.json else "\n".join(lines))
    return 0


def _explained(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(found["rules"])
    missing = [f"IPv{family}" for family in (4, 6) if family not in found["counted"]]
    if missing:
        yield f"The counters leave out {' and '.join(missing)}: the rules in the kernel are others just now."
    yield ""
    drops = _drops()
    yield "last drops:" if drops else "last drops: none, or not for you to see (sudo shows them)"
    yield from (f"  {line}" for line in drops)


def _table(rules: list[Mapping[str, Any]]) -> Iterator[str]:
    cells = [("", *COLUMNS), *(_cells(rule) for rule in rules)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cells(rule: Mapping[str, Any]) -> tuple[str, ...]:
    told = {**rule, "action": f"{rule['action']}, log" if rule["log"] else rule["action"]}
    values = (told["number"], *(told[name] for name in COLUMNS))
    return tuple("-" if value is None else str(value) for value in values)


def _tested(found: Mapping[str, Any]) -> Iterator[str]:
    for packet in found["packets"]:
        rule = packet["rule"]
        port = f" port {packet['port']}" if packet["port"] else ""
        yield f"IPv{packet['family']}: {packet['source']} to {packet['destination']}{port}: {packet['action']}"
        if packet["passed_on"]:
            yield f"  passed on to {packet['passed_on']}"
        where = f", {CONFIG_NAME} line {rule['line']} {rule['setting']}" if rule["line"] else ""
        name = f"rule {rule['number']}" if rule["number"] else "no rule"
        yield f"  by {name} ({rule['part']}{where}): {rule['note'] or rule['port']}"


def _drops() -> list[str]:
    """What the kernel has logged of packets that were denied, the last one last."""
    words = ["journalctl", "--dmesg", "--quiet", "--no-pager", "--output=short-iso", "--grep=UFW BLOCK"]
    try:
        return run_program([*words, f"--lines={DROPS}"]).splitlines()
    except Exception:
        return []
