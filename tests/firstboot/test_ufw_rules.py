"""What is understood of the rules that ufw loads after the policy, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from appliance.parse import parse_text
from appliance.services import service
from firstboot.facts import Facts
from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.question import Question, packets
from firstboot.policy.rules import Group, Policy
from firstboot.policy.told import Row, rows
from firstboot.policy.ufw_rules import UNREAD, ufw_rules
from firstboot.policy.ufw_words import words_of
from tests.firstboot.test_policy import CONFIG, FACTS

AFTER = """\
*filter
:ufw-after-input - [0:0]
-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-after-input -m addrtype --dst-type BROADCAST -j ufw-skip-to-policy-input
COMMIT
"""
USER = """\
*filter
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
### RULES ###

{rules}
### END RULES ###

### LOGGING ###
-I ufw-user-logging-input -j RETURN
### END LOGGING ###

### RATE LIMITING ###
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
### END RATE LIMITING ###
COMMIT
"""
WEB = """\
### tuple ### allow tcp 8443 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 8443 -j ACCEPT
"""
MAIL = """\
### tuple ### deny any 25 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 25 -j DROP
-A ufw-user-input -p udp --dport 25 -j DROP
"""
LIMITED = """\
### tuple ### limit_log tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-logging-input -p tcp --dport 22 -m conntrack --ctstate NEW -m limit --limit 3/min -j LOG
-A ufw-user-logging-input -p tcp --dport 22 -j RETURN
-A ufw-user-input -p tcp --dport 22 -j ufw-user-logging-input
-A ufw-user-input -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 22 -j ufw-user-limit-accept
"""
PROFILE = """\
### tuple ### allow tcp 80,443 0.0.0.0/0 any 203.0.113.0/24 Nginx%20Full - in_eth0
-A ufw-user-input -i eth0 -p tcp -m multiport --dports 80,443 -s 203.0.113.0/24 -j ACCEPT -m comment --comment 'dapp_x'
"""
ROUTED = """\
### tuple ### route:reject udp 53 192.168.2.20 any 0.0.0.0/0 in_eth0!out_eth1
-A ufw-user-forward -i eth0 -o eth1 -p udp -d 192.168.2.20 --dport 53 -j REJECT
"""
LEAVING = """\
### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out
-A ufw-user-output -p tcp --dport 25 -j DROP
"""
ALL_OF_A_KIND = """\
### tuple ### allow tcp 5 0.0.0.0/0 any 0.0.0.0/0 in_eth+
-A ufw-user-input -i eth+ -p tcp --dport 5 -j ACCEPT
"""


def loaded(rules: str, rules6: str = "", after: str = AFTER) -> Facts:
    """As they are read on the machine."""
    texts = {4: after + USER.format(rules=rules), 6: (after + USER.format(rules=rules6)).replace("ufw-", "ufw6-")}
    return replace(FACTS, other_rules=texts)


def of_ipv6(rules: str) -> str:
    return rules.replace("0.0.0.0/0", "::/0")


def policy_with(facts: Facts, firewall: str = "") -> Policy:
    return policy_of(parse_text(f"{CONFIG}{firewall}".encode(), "a.yaml").appliance, facts)


def told(facts: Facts, firewall: str = "") -> list[Row]:
    return [row for row in rows(policy_with(facts, firewall), {}, {}) if row.part == Group.UFW]


def asked(facts: Facts, source: str, destination: str, port: str) -> list[tuple[str, str]]:
    """What becomes of such packets, and what is said of the rule."""
    policy = policy_with(facts)
    found = [decide(policy, each) for each in packets(Question(source, destination, service(port)), policy, facts)]
    return [(str(each.action), each.rule.note if each.rule is not None else "") for each in found]


def test_without_rules_of_the_users_there_are_none() -> None:
    assert ufw_rules(loaded("").other_rules) == ()
    assert ufw_rules({}) == ()


def test_a_users_rule_has_its_place_before_the_rest_and_decides() -> None:
    facts = loaded(WEB, of_ipv6(WEB))
    last, rest = rows(policy_with(facts), {}, {})[-2:]
    assert (last.part, last.to, last.port, last.action) == (Group.UFW, "box", "tcp/8443", "allow")
    assert rest.part == Group.REST
    assert asked(facts, "outside", "box", "tcp/8443") == [("allow", "ufw rule: allow 8443/tcp")] * 2
    assert asked(facts, "outside", "box", "tcp/8444") == [("deny", "")] * 2


def test_of_one_family_it_decides_about_that_one() -> None:
    assert [action for action, _ in asked(loaded(WEB), "outside", "box", "tcp/8443")] == ["allow", "deny"]


def test_the_order_of_each_family_is_kept() -> None:
    facts = loaded(WEB + "\n" + MAIL, of_ipv6(LIMITED + "\n" + MAIL))
    assert [(row.note[:20], row.action) for row in told(facts)] == [
        ("ufw rule: allow 8443", "allow"),
        ("ufw rule: limit log ", "allow"),
        ("ufw rule: deny 25", "drop"),
    ]


@pytest.mark.parametrize(
    ("rules", "told_as"),
    [
        (MAIL, ("any", "any", "box", "any", "tcp/25, udp/25", "drop", False)),
        (LIMITED, ("any", "any", "box", "any", "tcp/22", "allow", True)),
        (PROFILE, ("any by eth0", "203.0.113.0/24", "box", "any", "tcp/80, tcp/443", "allow", False)),
        (ROUTED, ("any by eth0", "any", "any by eth1", "192.168.2.20", "udp/53", "reject", False)),
        (LEAVING, ("box", "any", "any", "any", "tcp/25", "drop", False)),
        (ALL_OF_A_KIND, ("any", "any", "box", "any", "any", "unknown", False)),
    ],
)
def test_each_is_told_as_a_rule_of_the_policy(rules: str, told_as: tuple[object, ...]) -> None:
    [row] = told(loaded(rules))
    assert (row.from_, row.source, row.to, row.destination, row.port, row.action, row.log) == told_as


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("allow tcp 8443 0.0.0.0/0 any 0.0.0.0/0 in", "allow 8443/tcp"),
        ("deny any 25 ::/0 any ::/0 in", "deny 25"),
        ("deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out", "deny out 25/tcp"),
        ("allow_log tcp 99 0.0.0.0/0 any 0.0.0.0/0 in", "allow log 99/tcp"),
        ("allow udp 6:7 0.0.0.0/0 any 0.0.0.0/0 in comment=68656c6c6f", "allow 6:7/udp comment 'hello'"),
        ("allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20Full - in", "allow 'Nginx Full'"),
        ("allow udp 99 0.0.0.0/0 any 10.1.1.1 Nginx%20Full - in", "allow from 10.1.1.1 to any app 'Nginx Full'"),
        ("allow tcp 80 ::/0 any 2001:db8::/32 in_eth0", "allow in on eth0 from 2001:db8::/32 to any port 80 proto tcp"),
        ("allow gre any 0.0.0.0/0 any 198.51.100.1 in", "allow from 198.51.100.1 proto gre"),
        ("route:deny any any 0.0.0.0/0 any 0.0.0.0/0 in", "route deny to any"),
        ("route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in_eth1!out_eth0", "route allow in on eth1 out on eth0"),
        ("allow tcp 8080", "allow tcp 8080"),
    ],
)  # fmt: skip
def test_the_words_are_those_of_ufw_itself(heading: str, words: str) -> None:
    assert words_of(heading) == words


def test_routed_and_sent_packets_are_looked_up_where_they_come_by() -> None:
    policy = policy_with(loaded(f"{ROUTED}\n{LEAVING}\n{WEB}"))
    outer, inner, own = (IPv4Address(each) for each in ("198.51.100.9", "192.168.2.20", "203.0.113.5"))
    assert decide(policy, Packet(outer, inner, "udp", "eth0", "eth1", port=53)).action == "reject"
    assert decide(policy, Packet(outer, inner, "tcp", "eth0", "eth1", port=8443)).action == "deny"
    assert decide(policy, Packet(own, outer, "tcp", "", "eth0", port=25)).action == "drop"
    assert decide(policy, Packet(own, outer, "tcp", "", "eth0", port=26)).action == "allow"


def test_what_a_rule_says_that_is_not_understood_is_not_guessed() -> None:
    facts = loaded(f"{WEB}\n{ALL_OF_A_KIND}\n{MAIL}")
    unread = f"{UNREAD}: allow in on eth+ to any port 5 proto tcp"
    assert asked(facts, "outside", "box", "tcp/25")[0] == ("unknown", unread)
    assert asked(facts, "outside", "box", "tcp/8443")[0] == ("allow", "ufw rule: allow 8443/tcp")


@pytest.mark.parametrize(
    "line",
    [
        "-A ufw-user-input -p tcp ! -s 10.0.0.1 --dport 80 -j ACCEPT",
        "-A ufw-user-input -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
        "-A ufw-user-input -p 300 -j ACCEPT",
        "-A ufw-user-input -s nas -j ACCEPT",
        "-A ufw-user-input -p tcp --dport http -j ACCEPT",
        "-A ufw-user-input -j elsewhere",
        "-A ufw-user-input -p tcp --dport",
        "-A ufw-user-input -p tcp --dport '80 -j ACCEPT",
        "-A ufw-user-input",
        "-I ufw-user-input -p tcp --dport 80 -j ACCEPT",
        "-A INPUT -p tcp --dport 80 -j ACCEPT",
    ],
)
def test_a_line_by_hand_is_said_to_be_there(line: str) -> None:
    [row] = told(loaded(line))
    assert (row.action, row.to) == ("unknown", "box")
    assert row.note.startswith(UNREAD)


def test_a_line_in_another_table_is_said_and_decides_nothing() -> None:
    facts = loaded("", after=f"*nat\n-A POSTROUTING -s 10.8.0.0/24 -j MASQUERADE\nCOMMIT\n{AFTER}")
    assert told(facts)[0].note == f"{UNREAD}: nat POSTROUTING -s 10.8.0.0/24 -j MASQUERADE"
    assert asked(facts, "outside", "box", "tcp/25")[0] == ("deny", "")


def test_what_after_rules_allow_comes_after_the_users_and_what_they_skip() -> None:
    line = "-A ufw-after-input -p udp --dport 99 -j ACCEPT\n"
    first = loaded(
        WEB,
        after=AFTER.replace("-A ufw-after-input -p udp --dport 137", f"{line}-A ufw-after-input -p udp --dport 137"),
    )
    assert [(row.port, row.action) for row in told(first)] == [("tcp/8443", "allow"), ("udp/99", "allow")]
    last = loaded(WEB, after=AFTER.replace("COMMIT", f"{line}COMMIT"))
    assert [row.action for row in told(last)[:4]] == ["allow", "drop", "unknown", "allow"]


def test_a_rule_that_never_decides_is_told_so() -> None:
    before = "firewall:\n  rules: [{to: box, port: tcp/8000-9000, action: deny}]\n"
    [row] = told(loaded(WEB, of_ipv6(WEB)), before)
    policy = policy_with(loaded(WEB), before)
    number = next(number for number, rule in enumerate(policy.rules, 1) if rule.group is Group.OWN)
    assert row.note == f"ufw rule: allow 8443/tcp; it never decides, rule {number} does before it"
    [row] = told(loaded(WEB), before.replace("to: box", "from: outside, to: box"))
    assert row.note == "ufw rule: allow 8443/tcp"


OPEN = "it opens to the outside what the Pi has for the inside: "
LISTED = "management: {ssh_from: [inside, 198.51.100.7]}"
SHUT = "rules: [{from: outside, to: box, port: tcp/20-30, action: deny}]"


@pytest.mark.parametrize(
    ("words", "firewall", "names"),
    [
        ("-p tcp --dport 22 -j ACCEPT", "", "ssh"),
        ("-p tcp --dport 22 -j ufw-user-limit-accept", "", "ssh"),
        ("-p tcp --dport 22 -s 198.51.100.0/24 -j ACCEPT", LISTED, "ssh"),
        ("-p tcp --dport 53 -j ACCEPT", "", "DNS over TCP"),
        ("-p tcp --dport 80 -j ACCEPT", "", "the status page"),
        ("-p udp --dport 53 -i eth0 -j ACCEPT", "", "DNS"),
        ("-p tcp -m multiport --dports 20:30,50:60 -j ACCEPT", SHUT, "DNS over TCP"),
        ("-s 198.51.100.7 -j ACCEPT", "", "ssh, DNS, DNS over TCP, DHCP, multicast DNS, the status page"),
        ("-p udp --dport 53 -s 192.168.2.0/24 -j ACCEPT", "", ""),
        ("-p udp --dport 53 -i eth1 -j ACCEPT", "", ""),
        ("-p tcp --dport 22 -j DROP", "", ""),
        ("-p tcp --dport 22 -j ACCEPT", SHUT, ""),
        ("-p tcp --dport 8443 -j ACCEPT", "", ""),
    ],
)
def test_a_rule_that_opens_what_is_for_the_inside_is_told_so(words: str, firewall: str, names: str) -> None:
    [row] = told(loaded(f"-A ufw-user-input {words}"), f"firewall: {{{firewall}}}\n" if firewall else "")
    assert row.note.partition(OPEN)[2] == names


def test_what_leads_inside_or_out_opens_nothing_of_the_pis() -> None:
    lines = "-A ufw-user-forward -p tcp --dport 22 -j ACCEPT\n-A ufw-user-output -p udp --dport 53 -j ACCEPT"
    assert not any(OPEN in row.note for row in told(loaded(lines)))


def test_a_rule_that_denies_what_comes_before_it_is_told_so() -> None:
    denying = WEB.replace("allow tcp 8443", "deny tcp {port}").replace("--dport 8443", "--dport {port}")
    denying = denying.replace("-j ACCEPT", "-j DROP")
    for port, note in (("22", "ssh"), ("53", "DNS"), ("23", "")):
        facts = loaded(denying.format(port=port))
        before = [at for at, rule in enumerate(policy_with(facts).rules, 1) if note and rule.note == note]
        expected = f"; some of it is allowed before, by rule {before[0]}" if before else ""
        assert [row.note for row in told(facts)] == [f"ufw rule: deny {port}/tcp{expected}"]


def test_one_that_repeats_another_never_decides_either() -> None:
    first, second = told(
        loaded(f"{MAIL}\n{LEAVING}\n{MAIL.replace('deny any', 'allow any').replace('DROP', 'ACCEPT')}")
    )[::2]
    assert "never" not in first.note
    assert "never" in second.note


def test_what_the_kernel_counted_of_each() -> None:
    policy = policy_with(loaded(f"{MAIL}\n{LIMITED}", of_ipv6(MAIL)))
    counts = {
        4: {("filter", "ufw-user-input"): [(1, 10), (2, 20), (9, 90), (9, 90), (9, 90), (4, 40)]},
        6: {
            ("filter", "ufw6-user-input"): [(5, 50), (6, 60)],
            ("filter", "ufw6-reject-input"): [(9, 90), (3, 3), (7, 70)],
            ("filter", "ufw6-skip-to-policy-forward"): [(1, 10)],
        },
    }
    mail, limited, rest = rows(policy, {}, counts)[-3:]
    assert (mail.packets, mail.bytes) == (14, 140)
    assert (limited.packets, limited.bytes) == (4, 40)
    assert (rest.packets, rest.bytes) == (8, 80)


def test_ipv6_addresses_are_read() -> None:
    line = "-A ufw-user-input -p udp -d 2001:db8::1 --dport 53 -s 2001:db8:5::/48 -j ACCEPT"
    policy = policy_with(loaded("", line))
    packet = Packet(IPv6Address("2001:db8:5::9"), IPv6Address("2001:db8::1"), "udp", "he-ipv6", port=53)
    assert decide(policy, packet).action == "allow"
    assert decide(policy, replace(packet, source=IPv6Address("2001:db8:6::9"))).action == "deny"
