"""The firewall's policy: what it is made of, what it decides, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.model import Appliance
from appliance.parse import Parsed, load, parse_text
from appliance.services import service
from firstboot.facts import Address, Facts, Link
from firstboot.policy.decision import decide
from firstboot.policy.dispatch import FAN
from firstboot.policy.policy import policy_of
from firstboot.policy.question import Question, packets
from firstboot.policy.rules import Action, Group
from firstboot.policy.text import tables
from firstboot.policy.told import rows
from firstboot.rendered.ufw import rules_of

CONFIG = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
lan: {interface: eth1, address: 192.168.2.1/24, dhcp4: {range: 192.168.2.100-192.168.2.199}}
"""
FACTS = Facts(
    links={name: Link(name) for name in ("eth0", "eth1", "he-ipv6")},
    addresses=(
        Address("eth0", IPv4Interface("203.0.113.5/24")),
        Address("eth1", IPv4Interface("192.168.2.1/24")),
        Address("he-ipv6", IPv6Interface("2001:db8:123c:abd::2/64")),
        Address("eth1", IPv6Interface("2001:db8:123d:abc::1/64")),
    ),
    hosts={"nas": (IPv4Address("192.168.2.20"), IPv6Address("2001:db8:123d:abc::20"))},
)
ORDER = (
    Group.LOOPBACK,
    Group.ESTABLISHED,
    Group.NOISE,
    Group.MANAGEMENT,
    Group.CONTROL,
    Group.OWN,
    Group.SERVICES,
    Group.INBOUND,
    Group.OUTBOUND,
)


def parsed(firewall: str = "") -> Parsed:
    return parse_text(f"{CONFIG}{firewall}".encode(), "a.yaml")


def asked(appliance: Appliance, source: str, destination: str, port: str) -> list[str]:
    """What becomes of such packets, one of each family."""
    policy = policy_of(appliance, FACTS)
    question = Question(source, destination, service(port))
    return [str(decide(policy, packet).action) for packet in packets(question, policy, FACTS)]


def test_the_parts_come_in_their_order() -> None:
    text = "firewall:\n  allow_in: [{to: nas, tcp: 443}]\n  rules: [{to: outside, port: tcp/25, action: deny}]\n"
    groups = [rule.group for rule in policy_of(parsed(text).appliance, FACTS).rules]
    last = {group: len(groups) - 1 - groups[::-1].index(group) for group in ORDER}
    assert sorted(last, key=lambda group: last[group]) == list(ORDER)


@pytest.mark.parametrize(
    ("source", "destination", "port", "verdicts"),
    [
        ("outside", "box", "tcp/22", ["deny", "deny"]),
        ("inside", "box", "tcp/22", ["allow", "allow"]),
        ("inside", "box", "udp/53", ["allow", "allow"]),
        ("inside", "box", "tcp/8080", ["deny", "deny"]),
        ("outside", "box", "icmp", ["allow", "allow"]),
        ("inside", "outside", "tcp/443", ["allow", "allow"]),
        ("outside", "nas", "tcp/443", ["deny", "deny"]),
        ("box", "outside", "udp/123", ["allow", "allow"]),
    ],
)
def test_the_standard_policy(source: str, destination: str, port: str, verdicts: list[str]) -> None:
    assert asked(parsed().appliance, source, destination, port) == verdicts


def test_a_service_by_name_is_reached_by_both_families_and_behind_the_box_by_ipv4() -> None:
    appliance = parsed("firewall: {allow_in: [{to: nas, tcp: 80, nat_port: 8080}]}\n").appliance
    policy = policy_of(appliance, FACTS)
    [packet, _] = packets(Question("outside", "box", service("tcp/80")), policy, FACTS)
    passed_on = decide(policy, packet).passed_on
    assert passed_on is not None
    assert (str(passed_on.destination), passed_on.port) == ("192.168.2.20", 8080)
    assert asked(appliance, "outside", "nas", "tcp/8080") == ["allow", "allow"]
    assert asked(appliance, "outside", "nas", "tcp/80") == ["deny", "deny"]


def test_only_from_those_who_are_meant() -> None:
    appliance = parsed("firewall: {allow_in: [{to: nas, tcp: 443, from: [198.51.100.0/24]}]}\n").appliance
    assert asked(appliance, "198.51.100.7", "nas", "tcp/443") == ["allow"]
    assert asked(appliance, "198.51.101.7", "nas", "tcp/443") == ["deny"]


def test_what_may_leave_can_be_listed() -> None:
    appliance = parsed("firewall: {outbound: [tcp/443, udp/53]}\n").appliance
    assert asked(appliance, "inside", "outside", "tcp/443") == ["allow", "allow"]
    assert asked(appliance, "inside", "outside", "tcp/25") == ["deny", "deny"]
    assert asked(appliance, "inside", "outside", "icmp") == ["allow", "allow"]


@pytest.mark.parametrize("ends", ["", "source: any, ", "source: any, destination: any, "])
def test_a_rule_of_ones_own_about_any_host_is_about_every_one(ends: str) -> None:
    text = f"firewall:\n  rules: [{{from: inside, {ends}to: outside, port: tcp/25, action: deny}}]\n"
    assert asked(parsed(text).appliance, "inside", "outside", "tcp/25") == ["deny", "deny"]
    assert asked(parsed(text).appliance, "inside", "outside", "tcp/26") == ["allow", "allow"]


def test_a_rule_of_ones_own_about_a_machine_without_an_address_is_about_none() -> None:
    text = "firewall:\n  rules: [{from: inside, source: fridge, to: outside, action: deny}]\n"
    assert asked(parsed(text).appliance, "inside", "outside", "tcp/25") == ["allow", "allow"]


def test_what_is_for_everybody_leads_to_no_machine_inside() -> None:
    appliance = parsed("firewall: {port_forwards: [{port: udp/137, to: 192.168.2.20}]}\n").appliance
    policy = policy_of(appliance, FACTS)
    for everybody in ("203.0.113.255", "192.168.2.255", "255.255.255.255", "224.0.0.1"):
        [packet] = packets(Question("203.0.113.9", everybody, service("udp/137")), policy, FACTS)
        decision = decide(policy, packet)
        assert (decision.action, decision.passed_on) == (Action.DROP, None)
    [packet] = packets(Question("203.0.113.9", "203.0.113.5", service("udp/137")), policy, FACTS)
    assert decide(policy, packet).passed_on


def test_what_comes_from_outside_says_nothing_about_how_the_inside_leaves() -> None:
    let_in = "{from: outside, to: any, port: tcp/8080, action: allow}"
    as_it_is = "{from: inside, to: outside, port: tcp/8080, nat: no, action: allow}"
    policy = policy_of(parsed(f"firewall: {{rules: [{let_in}, {as_it_is}]}}\n").appliance, FACTS)
    nat = tables(policy, 4)[1]
    assert [line.words.split()[-1] for line in nat.lines if line.rule is not None] == ["RETURN"]


def test_a_rule_of_ones_own_says_how_it_leaves() -> None:
    rule = "{from: inside, to: outside, port: tcp/25, action: allow}"
    found = parsed(f"firewall: {{rules: [{rule}]}}\n")
    [row] = [row for row in rows(policy_of(found.appliance, FACTS), found.marks, {}) if row.part == Group.OWN]
    assert row.nat == "IPv4"


NAMELESS = (
    "allow_in: [{to: printer, tcp: 631}]",
    "port_forwards: [{port: tcp/631, to: printer}]",
    "rules: [{from: inside, source: printer, to: outside, action: deny}]",
)


@pytest.mark.parametrize("setting", NAMELESS)
def test_a_rule_about_a_machine_without_an_address_is_told_as_not_in_force(setting: str) -> None:
    found = parsed(f"firewall: {{{setting}}}\n")
    policy = policy_of(found.appliance, FACTS)
    name = f"firewall.{setting.partition(':')[0]}[0]"
    number = next(number for number, rule in enumerate(policy.rules) if rule.setting == name)
    row = rows(policy, found.marks, {})[number]
    assert (row.families, row.in_force) == ("none now", False)
    assert row.note == "not in force: the machine that it names has no address now"
    assert not [
        line for family in (4, 6) for table in tables(policy, family) for line in table.lines if line.rule == number
    ]
    known = replace(FACTS, hosts={"printer": (IPv4Address("192.168.2.21"),)})
    row = rows(policy_of(found.appliance, known), found.marks, {})[number]
    assert (row.families, row.in_force, row.note) == ("4", True, "")


def test_hosts_of_different_families_are_told_as_such() -> None:
    found = parsed("firewall: {allow_in: [{to: 192.168.2.20, tcp: 80, from: ['2001:db8::/32']}]}\n")
    [row] = [row for row in rows(policy_of(found.appliance, FACTS), found.marks, {}) if row.part == Group.INBOUND]
    assert (row.in_force, row.note) == (False, "not in force: its hosts are of different families")


THOUSAND = {
    "machines": "".join(f"    - {{to: '2001:db8:123d:abc::{n:x}', tcp: {1000 + n}}}\n" for n in range(2, 1002)),
    "ports of one": "".join(
        f"    - {{to: '2001:db8:123d:abc::9', {'tcp' if n % 2 else 'udp'}: {1000 + n}}}\n" for n in range(2, 1002)
    ),
}


@pytest.mark.parametrize("what", THOUSAND)
def test_of_a_thousand_services_few_are_compared(what: str) -> None:
    """Whichever way a packet goes down the chains."""
    appliance = parsed(f"firewall:\n  allow_in:\n{THOUSAND[what]}").appliance
    [filtering, *_] = tables(policy_of(appliance, FACTS), 6)
    chains = {name: [line for line in filtering.lines if line.chain == name] for name in filtering.chains}
    below = {name: [line.words.split()[-1] for line in lines if " -g " in line.words] for name, lines in chains.items()}

    def ways(chain: str) -> Iterator[tuple[str, ...]]:
        """The chains that a packet may go through."""
        if not below[chain]:
            yield (chain,)
        for name in below[chain]:
            yield from ((chain, *way) for way in ways(name))

    leaves = [lines for name, lines in chains.items() if name.startswith("appliance-in") and not below[name]]
    assert sum(map(len, leaves)) == 1000
    found = list(ways("appliance-in"))
    assert max(map(len, found)) <= 4
    assert max(sum(len(chains[name]) for name in way) for way in found) <= 3 * FAN
    assert all(len(name) < 29 for name in chains)


def test_each_rule_is_told_with_its_line_and_what_it_counted() -> None:
    found = parsed("firewall:\n  outbound: [tcp/443]\n")
    policy = policy_of(found.appliance, FACTS)
    counts = {
        family: {
            (table.name, chain): [(10, 1000) for line in table.lines if line.chain == chain]
            for table in tables(policy, family)
            for chain in table.chains
        }
        for family in (4, 6)
    }
    [row] = [row for row in rows(policy, found.marks, counts) if row.part == Group.OUTBOUND]
    assert (row.from_, row.to, row.port, row.line, row.nat) == ("inside", "outside", "tcp/443", 7, "IPv4")
    assert (row.packets, row.bytes) == (20, 2000)
    [rest] = [row for row in rows(policy, found.marks, {}) if row.part == Group.REST]
    assert (rest.action, rest.packets) == ("deny", None)


def test_what_is_counted_is_that_of_the_lines_which_are_loaded() -> None:
    """The kernel has all of the file, and a rule for its version, too: here, packets that ask for ssh or for names."""
    found = parsed("firewall:\n  management: {ssh_from: [inside, 198.51.100.7]}\n")
    policy = policy_of(found.appliance, FACTS)
    counts: dict[int, dict[tuple[str, str], list[tuple[int, int]]]] = {4: {}, 6: {}}
    for family, chains in counts.items():
        text = rules_of(policy, family).text.partition("*nat")[0]
        for _, chain, words in (line.split(maxsplit=2) for line in text.splitlines() if line.startswith("-A ")):
            packets = int("--dport 22 " in words) + 100 * int("--dport 53 " in words)
            chains.setdefault(("filter", chain), []).append((packets, 0))
    told = {(row.note, row.source): row.packets for row in rows(policy, found.marks, counts) if row.packets}
    assert told == {("ssh", "any"): 3, ("ssh", "198.51.100.7"): 1, ("DNS", "any"): 600}


def test_nobody_is_asked_about_in_no_family_that_both_have() -> None:
    policy = policy_of(parsed().appliance, FACTS)
    with pytest.raises(InputError, match="no addresses of one family"):
        list(packets(Question("192.168.2.9", "2001:db8::9", service("icmp")), policy, FACTS))
    with pytest.raises(InputError, match="no machine inside"):
        list(packets(Question("fridge", "box", service("icmp")), policy, FACTS))


def test_rejecting_and_logging_are_as_they_are_said() -> None:
    appliance = parsed("firewall: {deny: reject, log: none, log_rate: 9/s}\n").appliance
    text = rules_of(policy_of(appliance, FACTS), 4).text
    denied = [line for line in text.splitlines() if line.startswith("-A appliance-deny ")]
    assert denied == ["-A appliance-deny -p tcp -j REJECT --reject-with tcp-reset", "-A appliance-deny -j REJECT"]
    assert "--limit 9/s" in text


OFFLINE = Path(__file__).parent.parent / "appliance" / "examples" / "gadget-offline.yaml"


def test_without_an_uplink_there_is_no_outside() -> None:
    """Nobody is told then that the outside gets in, as if it were the Pi itself."""
    appliance = load(OFFLINE).appliance
    facts = Facts(serial="10000000deadbeef", gadget_ports={"ecm": "usb0", "rndis": "usb1"})
    for ends in (("outside", "box"), ("inside", "192.0.2.1"), ("inside", "2001:db8:9::9")):
        with pytest.raises(InputError, match="no outside"):
            list(packets(Question(*ends, service("tcp/22")), policy_of(appliance, facts), facts))


def test_what_is_logged_is_told_so() -> None:
    for log, expected in (("drops", (False, True, True)), ("none", (False, False, False)), ("all", (True, True, True))):
        appliance = parsed(
            f"firewall: {{log: {log}, rules: [{{to: outside, port: tcp/25, action: deny}}]}}\n"
        ).appliance
        found = rows(policy_of(appliance, FACTS), {}, {})
        [dns] = [row for row in found if row.note == "DNS"]
        [own] = [row for row in found if row.part == Group.OWN]
        assert (dns.log, own.log, found[-1].log) == expected, log
