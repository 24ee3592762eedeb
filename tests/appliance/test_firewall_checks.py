"""The firewall's rules: those that cannot match, that hide others, and that open what is protected."""

# ruff: noqa: E501 - messages are shown as they are printed

from __future__ import annotations

import random
from ipaddress import IPv4Network

import pytest

from tests.appliance.conftest import EXAMPLES, problems, warnings

GATEWAY = (EXAMPLES / "gateway.yaml").read_text().partition("firewall:")[0]
TWO_ARMED = (
    GATEWAY.replace("lan:\n  interface: eth0", "lan:\n  interface: eth1")
    .replace("  domain: localnet", "  domain: localnet\n  address: 192.168.2.1/24")
    .replace("range: 192.168.1.10-192.168.1.210", "range: 192.168.2.10-192.168.2.99")
)
FIRST = TWO_ARMED.count("\n") + 1
"""The line of `firewall:`."""

CASES = {
    "a rule that others come before": (
        """\
  rules:
    - {from: inside, to: outside, port: tcp/25, action: deny}
    - {from: inside, to: outside, port: tcp/20-30, action: allow}
    - {from: inside, source: 192.168.2.0/25, to: outside, port: tcp/25, action: allow}
""",
        [
            "+4:7: firewall.rules[2] can never match: firewall.rules[0] comes before it, and decides all of that (line +2) (put it before the other, or take it out)",
        ],
    ),
    "a rule that several together come before": (
        """\
  rules:
    - {from: inside, to: outside, destination: 198.51.100.0/25, action: allow}
    - {from: inside, to: outside, port: udp/1000-2000, action: deny}
    - {from: inside, to: outside, port: tcp/20-30, action: allow}
    - {from: inside, to: outside, port: tcp/31-40, action: deny}
    - {from: any, to: outside, port: tcp/25-35, action: allow}
    - {from: inside, to: outside, port: tcp/25-35, action: allow}
    - {from: inside, to: outside, destination: 198.51.100.128/25, port: [tcp, icmp], action: deny}
    - {from: inside, to: outside, destination: 198.51.100.0/24, port: [tcp/443, icmp, udp/1500], action: deny}
    - {from: inside, to: outside, destination: 198.51.100.0/23, port: tcp/443, action: deny}
""",
        [
            "+7:7: firewall.rules[5] can never match: firewall.rules[4] comes before it, and decides all of that (line +6) (put it before the other, or take it out)",
            "+9:7: firewall.rules[7] can never match: firewall.rules[0], firewall.rules[1], firewall.rules[6] come before it, and together decide all of that (line +2) (put it before them, or take it out)",
        ],
    ),
    "what several together leave something of": (
        """\
  rules:
    - {from: inside, to: outside, destination: 198.51.100.0/25, port: tcp, action: deny}
    - {from: inside, to: outside, destination: 198.51.100.128/25, port: tcp/1-1000, action: allow}
    - {from: inside, to: outside, destination: 198.51.100.0/24, port: tcp/1-1001, action: deny}
    - {from: inside, source: nas, to: outside, port: udp/1-100, action: deny}
    - {from: inside, source: tv, to: outside, port: udp/101-200, action: deny}
    - {from: inside, source: nas, to: outside, port: udp/1-200, action: deny}
    - {from: outside, to: box, port: udp/9, action: deny}
    - {from: inside, to: box, port: udp/9, action: deny}
    - {from: any, to: box, port: udp/9, action: allow}
    - {from: inside, to: outside, port: tcp/2, nat: no, action: allow}
    - {from: inside, to: outside, port: tcp/3, nat: no, action: allow}
    - {from: inside, to: outside, port: tcp/2-3, action: allow}
""",
        [],
    ),
    "rules of IPv4 and of names that several others come before": (
        """\
  rules:
    - {from: inside, to: outside, port: tcp/2, action: allow}
    - {from: inside, source: nas, to: outside, port: tcp/3, action: allow}
    - {from: inside, source: nas, to: outside, port: tcp/2-3, nat: no, action: allow}
    - {from: any, to: box, port: tcp/21, action: deny}
    - {from: any, to: box, port: tcp/23, action: deny}
    - {from: inside, to: box, port: tcp/21-23, action: allow}
""",
        [
            "+4:7: firewall.rules[2] can never match: firewall.rules[0], firewall.rules[1] come before it, and together decide all of that (line +2) (put it before them, or take it out)",
            "+7:7: firewall.rules[5] can never match: firewall.management.ssh_from, firewall.rules[3], firewall.rules[4] come before it, and together decide all of that (list there who may, or take it out)",
        ],
    ),
    "a rule that who looks after the Pi comes before": (
        """\
  rules:
    - {from: any, to: box, port: tcp/22, action: deny}
    - {from: inside, to: box, port: tcp/22, action: deny}
""",
        [
            "+3:7: firewall.rules[1] can never match: firewall.management.ssh_from comes before it, and decides all of that (list there who may, or take it out)",
        ],
    ),
    "rules that standing ones come before": (
        """\
  management: {syslog_to: 192.168.2.9}
  rules:
    - {from: inside, to: box, port: udp/67, action: deny}
    - {from: inside, to: box, port: [udp/547, udp/5353], action: allow}
    - {from: inside, to: box, destination: 239.255.255.250, port: udp/1900, action: allow}
    - {from: inside, to: box, destination: 192.168.2.255, action: deny}
    - {from: box, to: inside, destination: 192.168.2.9, port: udp/514, action: deny}
    - {from: any, source: 198.51.100.7, to: box, port: udp/5353, action: deny}
    - {from: inside, source: 192.168.2.9, to: box, action: deny}
    - {from: box, to: inside, port: udp/67, action: deny}
""",
        [
            "+3:7: firewall.rules[0] has no effect, as standing rules come before it: DHCP from inside (take it out)",
            "+4:7: firewall.rules[1] has no effect, as standing rules come before it: DHCP from inside; names ending in .local, asked for from inside (take it out)",
            "+5:7: firewall.rules[2] has no effect, as standing rules come before it: the Pi drops what is sent to everybody (take it out)",
            "+6:7: firewall.rules[3] has no effect, as standing rules come before it: the Pi drops what is sent to everybody (take it out)",
            "+7:7: firewall.rules[4] can never match: firewall.management.syslog_to comes before it, and decides all of that (line +1) (put it before the other, or take it out)",
        ],
    ),
    "what is opened to the outside": (
        """\
  rules:
    - {from: outside, to: box, port: tcp, action: allow}
    - {from: outside, to: box, port: udp/53, action: allow}
    - {from: any, to: any, port: udp/68, action: allow}
    - {from: outside, to: box, port: tcp/8080, action: allow}
""",
        [
            "+2:7: firewall.rules[0] opens ssh of the Pi to the outside (ssh from listed hosts: firewall.management.ssh_from)",
            "+3:7: firewall.rules[1] opens DNS of the Pi to the outside (from: inside)",
            "+4:7: firewall.rules[2] opens DHCP of the Pi to the outside (from: inside)",
            "+5:7: firewall.rules[3] can never match: firewall.rules[0] comes before it, and decides all of that (line +2) (put it before the other, or take it out)",
        ],
    ),
    "what no packet can be": (
        """\
  rules:
    - {from: inside, source: 192.168.2.5, to: outside, destination: "2001:db8::1", action: deny}
    - {from: box, to: box, action: deny}
    - {from: inside, source: 10.0.0.1, to: outside, action: deny}
    - {from: outside, source: 192.168.2.7, to: inside, action: deny}
    - {from: outside, to: inside, nat: no, action: allow}
    - {from: inside, to: outside, destination: "2001:db8::/32", nat: no, action: allow}
    - {from: inside, to: outside, port: tcp/1, nat: no, action: deny}
""",
        [
            "+2:69: firewall.rules[0] can never match: source and destination are of different families (both of IPv4, or both of IPv6)",
            "+3:23: firewall.rules[1] can never match: what goes from box to box does not pass here (from box to inside)",
            "+4:30: firewall.rules[2] can never match: 10.0.0.1/32 is not inside, where 192.168.2.0/24 is (an address in 192.168.2.0/24)",
            "+5:31: firewall.rules[3] can never match: 192.168.2.7/32 is inside (source in zone inside)",
            "+6:40: firewall.rules[4].nat: the Pi's address stands in only for what goes from inside to outside (from: inside and to: outside)",
            "+7:70: firewall.rules[5].nat: IPv6 needs none (leave it out)",
            "+8:53: firewall.rules[6].nat: what is denied does not leave (leave it out)",
        ],
    ),
    "of IPv4 alone, so the next one has a say about IPv6": (
        """\
  rules:
    - {from: inside, to: outside, port: tcp/1, nat: no, action: allow}
    - {from: inside, to: outside, port: tcp/1, action: deny}
""",
        [],
    ),
    "one port for two machines": (
        """\
  port_forwards:
    - {port: tcp/443, to: 192.168.2.5}
    - {port: tcp/440-450, to: 192.168.2.6}
  allow_in:
    - {to: 192.168.2.7, tcp: 443}
""",
        [
            "+3:7: firewall.port_forwards[1]: tcp/440-450 of the Pi's IPv4 address leads to 192.168.2.5 already, by firewall.port_forwards[0] (line +2) (another port, nat_port, or from with no address that both have)",
            "+5:7: firewall.allow_in[0]: tcp/443 of the Pi's IPv4 address leads to 192.168.2.5 already, by firewall.port_forwards[0] (line +2) (another port, nat_port, or from with no address that both have)",
        ],
    ),
    "one port for two ports of a machine": (
        """\
  port_forwards:
    - {port: tcp/443, to: 192.168.2.5, to_port: 443}
    - {port: tcp/443, to: 192.168.2.5, to_port: 8443}
""",
        [
            "+3:7: firewall.port_forwards[1]: tcp/443 of the Pi's IPv4 address leads to 192.168.2.5 already, by firewall.port_forwards[0] (line +2) (another port, nat_port, or from with no address that both have)",
        ],
    ),
    "one port for each of two senders": (
        """\
  port_forwards:
    - {port: tcp/443, to: 192.168.2.5, from: [198.51.100.0/24]}
    - {port: tcp/443, to: 192.168.2.6, from: [203.0.113.9, 203.0.113.64/26]}
    - {port: tcp/443, to: 192.168.2.7, from: ["2001:db8::/32"]}
    - {port: tcp/80, to: 192.168.2.5, to_port: 80}
  allow_in:
    - {to: 192.168.2.8, tcp: 443, from: [192.0.2.0/24]}
    - {to: 192.168.2.5, tcp: 80}
""",
        [],
    ),
    "one port for two senders of whom one may be both": (
        """\
  port_forwards:
    - {port: tcp/443, to: 192.168.2.5, from: [198.51.100.0/24]}
    - {port: tcp/440-450, to: 192.168.2.6, from: [203.0.113.9, 198.51.100.128/25]}
  allow_in:
    - {to: 192.168.2.7, tcp: 443}
    - {to: 192.168.2.9, tcp: 80, from: [203.0.113.0/24]}
    - {to: 192.168.2.9, tcp: 80}
""",
        [
            "+3:7: firewall.port_forwards[1]: tcp/440-450 of the Pi's IPv4 address leads to 192.168.2.5 already, by firewall.port_forwards[0] (line +2) (another port, nat_port, or from with no address that both have)",
            "+5:7: firewall.allow_in[0]: tcp/443 of the Pi's IPv4 address leads to 192.168.2.5 already, by firewall.port_forwards[0] (line +2) (another port, nat_port, or from with no address that both have)",
            "+7:7: firewall.allow_in[2]: tcp/80 of 192.168.2.9 is in firewall.allow_in[1] too (line +6) (once)",
        ],
    ),
    "ssh from everywhere": (
        """\
  management: {ssh_from: [0.0.0.0/0]}
""",
        [
            "+1:27: firewall.management.ssh_from: 0.0.0.0/0 is the whole Internet (the hosts that you look after it from)",
        ],
    ),
    "ssh from half of everywhere": (
        """\
  management: {ssh_from: [128.0.0.0/1, "2000::/3", 10.0.0.0/8]}
""",
        [
            "+1:27: firewall.management.ssh_from: 128.0.0.0/1 is a large part of the Internet (the hosts that you look after it from)",
            "+1:40: firewall.management.ssh_from: 2000::/3 is a large part of the Internet (the hosts that you look after it from)",
        ],
    ),
    "a port that leads away from who looks after the Pi": (
        """\
  management: {ssh_from: [inside, 192.168.2.0/24, 198.51.100.9]}
  port_forwards:
    - {port: tcp/22, to: 192.168.2.5}
    - {port: tcp/2222, to: 192.168.2.5, to_port: 22}
""",
        [
            "+3:7: firewall.port_forwards[0]: tcp/22 of the Pi's IPv4 address leads to the Pi itself already, by firewall.management.ssh_from[2] (line +1) (another port, nat_port, or from with no address that both have)",
        ],
    ),
    "what is allowed, and denied by a rule before": (
        """\
  allow_in:
    - {to: 192.168.2.9, tcp: [80, 443], from: [203.0.113.0/24, 198.51.100.7]}
    - {to: 192.168.2.8, tcp: [8080], nat_port: 80}
    - {to: 192.168.2.7, udp: 51820}
  outbound: [tcp/443, udp/53]
  rules:
    - {from: outside, to: inside, port: tcp/80, action: deny}
    - {from: outside, to: inside, destination: 192.168.2.9, port: tcp, action: deny}
    - {from: inside, to: outside, port: udp, action: deny}
""",
        [
            "+2:7: firewall.allow_in[0] allows nothing: firewall.rules[1] comes before it, and denies all of that (line +8) (take one of the two out)",
            "+3:7: firewall.allow_in[1] allows nothing: firewall.rules[0] comes before it, and denies all of that (line +7) (take one of the two out)",
            "+5:23: firewall.outbound[1] allows nothing: firewall.rules[2] comes before it, and denies all of that (line +9) (take one of the two out)",
        ],
    ),
    "ssh from nowhere is a warning": (
        """\
  management: {ssh_from: []}
""",
        [],
    ),
    "more than anybody reads": (
        """\
  log_rate: 999999/s
""",
        [
            '+1:13: firewall.log_rate: "999999/s" is faster than 1000/s, which nobody could read (a number a second, minute or hour, e.g. 3/min)',
        ],
    ),
}
"""What is said about each, with lines counted from `firewall:`."""


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_about_a_rule(name: str) -> None:
    section, expected = CASES[name]
    found = problems(f"{TWO_ARMED}firewall:\n{section}")
    assert found == [f"a.yaml:{counted(line)}" for line in expected]


def counted(line: str) -> str:
    """With lines from the file's beginning."""
    place, _, message = line.partition(":")
    before, marked, after = message.partition("(line +")
    number, _, rest = after.partition(")")
    lined = f"{before}(line {FIRST + int(number)}){rest}" if marked else message
    return f"{FIRST + int(place)}:{lined}"


def test_nobody_who_looks_after_it_is_a_warning() -> None:
    [found] = warnings(f"{TWO_ARMED}firewall:\n  management: {{ssh_from: []}}\n")
    assert "nobody can log in over the network" in found


WARNINGS = {
    "{from: any, to: box, port: udp/67, action: deny}": ["DHCP from inside"],
    "{from: any, to: any, port: [tcp/1, udp/5353], action: deny}": ["names ending in .local, asked for from inside"],
    "{from: inside, to: outside, port: icmp, action: deny}": [
        "errors about known connections (RFC 4890)",
        "echo requests from inside",
    ],
    "{from: outside, to: box, port: icmp, action: deny}": [
        "neighbour discovery, without which there is no IPv6",
        "errors about known connections (RFC 4890)",
        "echo requests, as the tunnel's broker asks by them",
        "echo requests of IPv6 (RFC 4890)",
    ],
    '{from: outside, source: "2001:db8::/64", to: inside, port: icmp, action: deny}': [
        "errors about known connections (RFC 4890)",
        "echo requests of IPv6 (RFC 4890)",
    ],
    "{from: any, to: box, port: icmp, action: allow}": [],
    "{from: outside, to: box, port: udp/68, action: deny}": [],
    "{from: inside, to: box, action: deny}": [],
}
"""What a rule that is right in itself does not deny."""


@pytest.mark.parametrize("rule", WARNINGS)
def test_what_a_rule_does_not_deny_is_a_warning(rule: str) -> None:
    found = warnings(f"{TWO_ARMED}firewall:\n  rules:\n    - {rule}\n")
    standing = "firewall.rules[0] does not deny all of that, as standing rules come before it, and allow: "
    assert found == [f"a.yaml:{FIRST + 2}:7: {standing}{'; '.join(words)}" for words in [WARNINGS[rule]] if words]


LEADING = """\
  allow_in:
    - {to: 192.168.2.9, tcp: [443, 8000-8010]}
    - {to: "2001:db8:123d:abc::9", udp: [5000]}
  port_forwards:
    - {port: udp/4000, to: nas, from: [198.51.100.0/24, "2001:db8:9::/48"]}
"""
LED = {
    "{from: outside, to: box, port: tcp/443, action: deny}": "tcp/443 from outside, which leads to 192.168.2.9, by firewall.allow_in[0] (line +2)",
    "{from: any, to: box, port: [tcp/1, tcp/8005-9000], action: allow}": "tcp/8000-8010 from outside, which leads to 192.168.2.9, by firewall.allow_in[0] (line +2)",
    "{from: outside, to: box, port: udp/4000, action: deny}": "udp/4000 from 198.51.100.0/24, which leads to nas, by firewall.port_forwards[0] (line +5)",
    "{from: outside, to: box, port: udp/5000, action: deny}": "",
    "{from: outside, source: 203.0.113.9, to: box, port: udp/4000, action: deny}": "",
    '{from: outside, source: "2001:db8:9::9", to: box, port: tcp/443, action: deny}': "",
    '{from: outside, to: box, destination: "2001:db8:9::9", port: tcp/443, action: deny}': "",
    "{from: outside, to: box, action: deny}": "",
    "{from: inside, to: box, port: tcp/443, action: deny}": "",
    "{from: outside, source: 198.51.100.9, to: inside, port: tcp/443, action: deny}": "",
}
"""Of which service, and by whose setting, a rule is not about what it seems to be about."""


@pytest.mark.parametrize("rule", LED)
def test_a_rule_about_a_port_that_leads_inside_is_a_warning(rule: str) -> None:
    found = [line for line in warnings(f"{TWO_ARMED}firewall:\n{LEADING}  rules:\n    - {rule}\n") if "IPv4" in line]
    said = f"+7:7: firewall.rules[0] has no effect in IPv4 on {LED[rule]} (to: inside)"
    assert found == [f"a.yaml:{counted(said)}" for each in [LED[rule]] if each]


def test_where_no_port_leads_inside_it_is_none() -> None:
    """IPv4 of one arm does not come by."""
    rule = "{from: outside, to: box, port: tcp/443, action: deny}"
    assert not warnings(f"{GATEWAY}firewall:\n  allow_in: [{{to: nas, tcp: 443}}]\n  rules:\n    - {rule}\n")


def test_a_thousand_rules_of_any_sort_are_compared() -> None:
    """They overlap in every way: what would fall into too many pieces is not looked at further."""
    chance = random.Random(97)
    rules = [
        f"{{from: any, source: {_network(chance)}, to: outside, destination: {_network(chance)}, "
        f"port: tcp/{first}-{first + chance.randrange(9000)}, action: deny}}"
        for first in (chance.randrange(1, 50000) for _ in range(998))
    ]
    rules += [f"{{from: any, to: outside, port: {port}, action: allow}}" for port in ("tcp", "tcp/9")]
    text = "\n".join(f"    - {rule}" for rule in rules)
    found = problems(f"{TWO_ARMED}firewall:\n  rules:\n{text}\n")
    assert "firewall.rules[999] can never match: firewall.rules[998] comes before it" in found[-1]


def _network(chance: random.Random) -> str:
    """Of an Internet that is small."""
    prefix_length = chance.randrange(13, 20)
    address = (198 << 24 | 18 << 16 | chance.randrange(1 << 17)) >> (32 - prefix_length) << (32 - prefix_length)
    return str(IPv4Network((address, prefix_length)))


NAMED = """\
  allow_in: [{to: nas, tcp: 443}]
  port_forwards: [{port: tcp/80, to: nas}]
  rules:
    - {from: inside, source: tv, to: outside, destination: 198.51.100.9, action: allow}
    - {from: inside, source: tv, to: outside, action: deny}
    - {from: outside, to: inside, destination: printer, action: deny}
"""


def test_who_is_denied_by_a_name_is_a_warning() -> None:
    text = "denies nothing while no machine that calls itself {} has an address by DHCP (an address)"
    assert warnings(f"{TWO_ARMED}firewall:\n{NAMED}") == [
        f"a.yaml:{FIRST + 5}:30: firewall.rules[1] {text.format('tv')}",
        f"a.yaml:{FIRST + 6}:48: firewall.rules[2] {text.format('printer')}",
    ]


def test_where_no_addresses_are_given_out_nobody_has_a_name() -> None:
    without = TWO_ARMED.replace("  dhcp4:\n    range: 192.168.2.10-192.168.2.99\n    lease: 12h\n", "")
    assert without != TWO_ARMED
    found = problems(f"{without}firewall:\n{NAMED}")
    assert found[0].endswith(
        "firewall.allow_in[0].to: no machine is known by the name nas, as the Pi gives out no addresses by DHCP (its address, or the section lan.dhcp4)"
    )
    names = [line.partition("by the name ")[2].partition(",")[0] for line in found]
    assert names == ["nas", "nas", "tv", "tv", "printer"]


def test_the_answers_of_the_uplinks_dhcp_are_let_in_before() -> None:
    by_dhcp = "\n".join(
        line for line in TWO_ARMED.splitlines() if not line.startswith(("  address: 192.168.1", "  gateway"))
    )
    [found] = warnings(f"{by_dhcp}\nfirewall: {{rules: [{{from: outside, to: box, port: udp/68, action: deny}}]}}\n")
    assert "and allow: the answers of the uplink's DHCP" in found


def test_the_page_is_the_insides_while_there_is_one() -> None:
    rule = "firewall:\n  rules:\n    - {from: any, to: box, port: tcp/80, action: allow}\n"
    [problem] = problems(TWO_ARMED + rule)
    assert problem.endswith("firewall.rules[0] opens the status page of the Pi to the outside (from: inside)")
    assert problems(f"status_page: false\n{TWO_ARMED}{rule}") == []
