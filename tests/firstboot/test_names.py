"""Machines that the firewall names and that have no address: it is said, with the line."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from appliance.parse import Parsed, parse_text
from firstboot.facts import Facts, Gateway
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.names import Names
from firstboot.status import Source, Status
from firstboot.status_text import to_text
from tests.firstboot.memory import MemoryMachine
from tests.firstboot.test_policy import CONFIG

FIREWALL = """\
firewall:
  allow_in:
    - {to: 192.168.2.9, tcp: 80}
    - {to: NAS, tcp: 443}
  port_forwards: [{port: tcp/8443, to: printer}]
  rules: [{from: inside, source: tv, to: outside, action: deny}]
"""


def outcome(parsed: Parsed, *known: str) -> Outcome:
    machine = MemoryMachine()
    addresses: tuple[Gateway, ...] = (IPv4Address("192.168.2.20"),)
    machine.hosts = dict.fromkeys(known, addresses)
    [found] = Reconciler([Names()], sleep=lambda _: None).reconcile(parsed.appliance, machine)
    return found


@pytest.fixture
def parsed() -> Parsed:
    return parse_text(f"{CONFIG}{FIREWALL}".encode(), "a.yaml")


def test_each_machine_without_an_address_is_said_with_its_setting_and_the_first_ones_line(parsed: Parsed) -> None:
    found = outcome(parsed, "tv")
    told = "nas (firewall.allow_in[1].to), printer (firewall.port_forwards[0].to)"
    assert (found.state, found.setting) == (State.WAITING, "firewall.allow_in[1].to")
    assert found.error == f"no machine of this name has an address by DHCP now: {told}"
    text = to_text(Status(parsed.appliance, Source.FILE, (found,), Facts(), marks=parsed.marks))
    line = FIREWALL.splitlines().index("    - {to: NAS, tcp: 443}") + len(CONFIG.splitlines()) + 1
    assert f"(appliance.yaml line {line})" in text


def test_nothing_is_said_where_all_have_one(parsed: Parsed) -> None:
    assert outcome(parsed, "nas", "printer", "tv").state is State.OK
    assert outcome(parse_text(CONFIG.encode(), "a.yaml")).state is State.OK


def test_the_source_of_a_rule_of_ones_own_is_one_as_well(parsed: Parsed) -> None:
    assert outcome(parsed, "nas", "printer").setting == "firewall.rules[0].source"
