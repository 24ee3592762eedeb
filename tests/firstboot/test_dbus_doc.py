"""docs/dbus.md says what there is on the bus, and nothing else."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from firstboot.api import INTERFACE, NAME, PATH, Api
from firstboot.bus_names import ERRORS
from firstboot.status import Overall

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs/dbus.md"
POLICY = ROOT / "overlays/base/usr/share/dbus-1/system.d/org.appliance.Appliance1.conf"


def rows(heading: str) -> dict[str, list[str]]:
    """A section's table: the other columns by the first, both without backquotes."""
    section = DOC.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row[1:] for row in cells[2:]}


def interface() -> ElementTree.Element:
    return Api(cast(Any, None)).introspect().to_xml()


def arguments(member: ElementTree.Element, direction: str) -> list[str]:
    found = member.findall("arg")
    return [argument.attrib["type"] for argument in found if argument.get("direction", "out") == direction]


def types(cell: str) -> list[str]:
    """Of "`s` kind, `s` what"."""
    return re.findall(r"`(\w+)`", cell)


def test_methods() -> None:
    offered = {m.attrib["name"]: (arguments(m, "in"), arguments(m, "out")) for m in interface().iter("method")}
    assert {name: (types(row[0]), types(row[1])) for name, row in rows("Methods").items()} == offered


def test_properties() -> None:
    offered = {p.attrib["name"]: (p.attrib["type"], p.attrib["access"]) for p in interface().iter("property")}
    assert {name: (row[0].strip("`"), row[1]) for name, row in rows("Properties").items()} == offered
    assert set(types(rows("Properties")["State"][2].replace("-", "_"))) == {
        "starting",
        *(word.replace("-", "_") for word in Overall),
    }


def test_signals() -> None:
    offered = {signal.attrib["name"]: arguments(signal, "out") for signal in interface().iter("signal")}
    assert {name: types(row[0]) for name, row in rows("Signals").items()} == offered


def test_errors() -> None:
    assert set(rows("Errors")) == set(ERRORS)


def test_who_may_what_is_the_buss_policy() -> None:
    rules = ElementTree.parse(POLICY).getroot().findall("policy[@context='default']/allow")
    allowed = {rule.get("send_member") for rule in rules if rule.get("send_interface") == INTERFACE}
    told = {name: row[2] for name, row in rows("Methods").items()}
    assert set(told.values()) == {"everybody", "root"}
    assert {name for name, who in told.items() if who == "everybody"} == allowed


def test_examples_call_what_there_is() -> None:
    examples = [shlex.split(line, comments=True) for line in DOC.read_text().splitlines() if "busctl " in line[:12]]
    assert len(examples) > 4
    members = {member.attrib["name"]: member for member in interface()}
    for words in examples:
        verb = next(word for word in words if word in ("introspect", "get-property", "call", "monitor"))
        after = words[words.index(verb) + 1 :]
        if verb == "monitor":
            assert f"path='{PATH}'" in after[1]
            continue
        assert after[:2] == [NAME, PATH]
        if verb != "introspect":
            assert after[2] == INTERFACE
            assert after[3] in members
        if verb == "call":
            given = after[4] if len(after) > 4 and after[4] != "|" else ""
            assert list(given) == arguments(members[after[3]], "in")


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_it_is_found(page: str) -> None:
    assert re.search(r"\]\((docs/)?dbus\.md\)", (ROOT / page).read_text())
