"""docs/dbus.md says what there is on the bus, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from appliance.errors import Mark
from appliance.model import Profile
from firstboot.api import INTERFACE, NAME, PATH, Api
from firstboot.bus_names import ERRORS
from firstboot.reconcile import Outcome, State
from firstboot.resources.dhcpcd import DHCPCD
from firstboot.sharing import Mode, Offered
from firstboot.status import Overall, Sign, to_json
from tests.firstboot.test_answers import Asked
from tests.firstboot.test_status import PROBLEM, status

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs/dbus.md"
POLICY = ROOT / "overlays/base/usr/share/dbus-1/system.d/org.appliance.Appliance1.conf"


def rows(heading: str) -> dict[str, list[str]]:
    """A section's table: the other columns by the first, both without backquotes."""
    section = re.split(r"\n##+ ", DOC.read_text().partition(f"# {heading}\n")[2])[0]
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


TYPES = {str: "text", bool: "true or false", int: "number", float: "number", type(None): "null"}
BY_NAME = ("interfaces", "wanted_by")
"""Whose keys are names."""


def shape(*answers: str) -> dict[str, str]:
    """The types that answers have at each key, in the words of the page."""
    found: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        for path, value in leaves(json.loads(answer)):
            found[path].add(TYPES[type(value)])
    return {path: " or ".join(sorted(types, key=[*TYPES.values()].index)) for path, types in found.items()}


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, each in value.items():
            name = "*" if path.rpartition(".")[2] in BY_NAME else key
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, f"{path}[]")
    else:
        yield path, value


def told(heading: str) -> dict[str, str]:
    return {path: row[0] for path, row in rows(heading).items()}


def test_what_status_answers() -> None:
    """Of a pass with something of everything."""
    broken = Outcome("links", State.WAITING, ("set eth0 up",), ("eth0: missing",), "no eth0", about=(("eth0",),))
    cable = (Offered("br-usb", Mode.ROUTE, (4, 6)),)
    marks = {"uplink": Mark("appliance.yaml", 5, 1)}
    found = replace(
        status(replace(broken, setting="uplink"), Outcome("routes", State.OK)),
        warnings=(PROBLEM,),
        cable=cable,
        repairs=("2026-01-01 00:00:00 firewall: shut it, repaired: it was open",),
        marks=marks,
    )
    assert shape(to_json(found, began_s=1.5), to_json(status(problems=(PROBLEM,)), began_s=1.5)) == told("Status")
    said = [rows("Status")[key][1] for key in ("state", "sign", "kinds[].state", "profile")]
    assert [set(re.findall("`(.+?)`", cell)) for cell in said] == [{*Overall}, {*Sign}, {*State}, {*Profile}]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """About a machine that lacks something, and has something that is not wanted."""
    made = Asked(tmp_path)
    del made.machine.links["he-ipv6"]
    made.machine.active_units.add(DHCPCD)
    return made


def test_what_plan_answers(asked: Asked) -> None:
    plans = asked.answers.plan_json(), asked.answers.plan_for_json(asked.config.replace("ipv6gw", "other"))
    for plan in map(asyncio.run, plans):
        assert shape(plan) == told("Plan")


def test_what_explain_answers(asked: Asked) -> None:
    things = ("routes", "tunnel", "dhcpcd", "routing")
    explained = [asyncio.run(asked.answers.explain_json(thing)) for thing in things]
    assert shape(*explained) == told("Plan") | told("Explain")
    assert shape(explained[0]).keys() < shape(*explained).keys(), "a kind is no setting"


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


def test_what_the_firewall_answers(asked: Asked) -> None:
    rules = asked.machine.kernel_rules
    rules[4] = rules[4].replace("-A INPUT", "-A INPUT -s 192.0.2.1 -j ACCEPT\n-A INPUT", 1)
    asked.machine.legacy = {4: ("filter",)}
    counted = asyncio.run(asked.answers.firewall_json())
    assert json.loads(counted)["others"] == ["IPv4 INPUT: 1"]
    asked.machine.kernel_rules.clear()
    assert shape(counted, asyncio.run(asked.answers.firewall_json())) == told("Firewall")
    forwarded = asked.answers.test_firewall_json("outside", "2001:db8:123d:abc::2", "tcp/80")
    denied = asked.answers.test_firewall_json("outside", "box", "tcp/22")
    assert shape(*(asyncio.run(answer) for answer in (forwarded, denied))) == told("TestFirewall")
