"""`appliance explain THING`: what is wanted, what is there, the difference, and what was done lately."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from firstboot.cli.asking import asked
from firstboot.cli.wording import begins_with, lines_told
from firstboot.paths import CONFIG_NAME

_TIME = len("2026-11-24 08:00:00")


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Tell all that is known of one thing: what is wanted and by which line of appliance.yaml, what is there, what\n"
        "differs, what would be done about it, and what was done lately.\n\n"
        "A thing is\n"
        "  a setting of appliance.yaml: everything that is kept because of it, as it would not be wanted, or be\n"
        "  another, if that setting were;\n"
        "  something of this machine: an interface, an address, a route, a file, a kernel setting;\n"
        "  or one of the parts that `appliance status` lists."
    )
    parser.epilog = (
        "examples:\n"
        "  appliance explain tunnel                  its link, addresses, routes, kernel settings, files and rules\n"
        "  appliance explain 'firewall.allow_in[0]'  what the first entry of that list does\n"
        "  appliance explain eth0\n"
        "  appliance explain net.ipv6.conf.all.forwarding"
    )
    parser.add_argument("thing", metavar="THING", help="e.g. tunnel, tunnel.server, eth0, ::/0, /etc/resolv.conf")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print what is known."""
    found = asked("Explain", arguments.thing)
    print(json.dumps(found, indent=2) if arguments.json else "\n".join(_lines(found)))
    return 0


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    if "setting" in found:
        yield f"{found['setting']}: " + (f"{CONFIG_NAME} line {found['line']}" if found["line"] else "by default")
        if not found["kinds"]:
            yield "Nothing is kept because of it alone."
    for kind in found["kinds"]:
        yield from _part(kind)
    if found["kinds"]:
        yield from _listed("lately (UTC)", _history(found["kinds"]))


def _part(kind: Mapping[str, Any]) -> Iterator[str]:
    error = kind["error"] or kind.get("last_error", "")
    whole = not kind["wanted_by"] and kind["line"]
    where = f" ({CONFIG_NAME} line {kind['line']} {kind['setting']})" if whole else ""
    yield f"{kind['kind']}: {kind.get('state', 'not looked at yet')}{where}"
    if error:
        yield f"  {error}"
    if kind["error"] and kind["hint"]:
        yield f"    hint: {kind['hint']}"
    wanted = [f"{each}{lines_told(CONFIG_NAME, begins_with(each, kind['wanted_by']))}" for each in kind["desired"]]
    sections = {"wanted": wanted, "there is": kind["observed"], "differs": kind["difference"]}
    if error or kind["difference"]:
        sections["would be done"] = kind["actions"]
    elif kind["desired"]:
        sections = {"as wanted": wanted}
    for heading, lines in sections.items():
        yield from (f"  {line}" for line in _listed(heading, lines))


def _listed(heading: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"{heading}:" if lines else f"{heading}: nothing"
    yield from (f"  {line}" for line in lines)


def _history(kinds: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """The parts' own, put together by their times."""
    entries = [(entry[:_TIME], kind["kind"], entry[_TIME:]) for kind in kinds for entry in kind["history"]]
    return [f"{when} {kind}:{what}" for when, kind, what in sorted(entries, key=lambda entry: entry[0])]
