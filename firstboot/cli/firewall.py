"""`appliance firewall explain` and `test`: the policy as it is in force, and what it decides."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

from firstboot.cli.asking import asked
from firstboot.cli.denied import denied
from firstboot.cli.table import lines_of
from firstboot.paths import CONFIG_NAME

DROPS = 10
COLUMNS = ("IP", "from", "to", "port", "nat", "action", "packets", "line", "note")
BELOW = " " * 6
ENDS = {"from": "source", "to": "destination"}


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
    test.add_argument("--port", required=True, help="tcp/443, udp/53, icmp (an echo request)")
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
    if found["others"]:
        others = ", ".join(found["others"])
        yield f"Other programs' rules may decide before these ({others}); `iptables -S` and `ip6tables -S` show them."
    if found["legacy"]:
        tables = ", ".join(found["legacy"])
        yield f"The legacy iptables has tables as well ({tables}): what they drop is dropped. To see them:"
        yield "`iptables-legacy-save` and `ip6tables-legacy-save`."
    yield ""
    drops = denied(DROPS)
    yield "last drops:" if drops else "last drops: none, or not for you to see (sudo shows them)"
    yield from (f"  {line}" for line in drops)


def _table(rules: list[Mapping[str, Any]]) -> Iterator[str]:
    """A program that reads it has each rule on a line of its own; in a narrow terminal, notes are below the rules."""
    translates = any(rule["nat"] != "no" for rule in rules)
    columns = [name for name in COLUMNS if translates or name != "nat"]
    whole = [line for lines in _lines(rules, columns, None) for line in lines]
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    if width is None or max(map(len, whole)) <= width:
        yield from whole
        return
    notes = ["", *(rule["note"] for rule in rules)]
    for lines, note in zip(_lines(rules, columns[:-1], width), notes, strict=True):
        yield from lines
        yield from wrap(note, width, initial_indent=BELOW, subsequent_indent=BELOW)


def _lines(rules: list[Mapping[str, Any]], columns: Sequence[str], width: int | None) -> Iterator[Sequence[str]]:
    return lines_of([("", *columns), *(_cells(rule, columns) for rule in rules)], width)


def _cells(rule: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    action = [rule["action"], *["log"] * rule["log"], *["not in force"] * (not rule["in_force"])]
    told = {**rule, "IP": rule["families"], "action": ", ".join(action)}
    told |= {end: f"{rule[end]} {rule[hosts]}" for end, hosts in ENDS.items() if rule[hosts] != "any"}
    return tuple("-" if told[name] is None else str(told[name]) for name in ("number", *columns))


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
