"""What is dropped without a word, and how much is said of the rest: counted in packets and in lines of the log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address

import pytest

from firstboot.policy.counted import by_rule
from firstboot.policy.decision import Packet
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES, Group
from firstboot.policy.text import BURST
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, loaded
from tests.netns.logged import lines

pytestmark = pytest.mark.netns

EACH, MANY, AT_ONCE = 50, 1000, 100
A_MINUTE = 3
"""`firewall.log_rate`, where nothing else is said."""

NOISE = {
    "everybody": ("192.168.2.20", LAN, "255.255.255.255"),
    "everybody, from outside": ("203.0.113.9", OUTSIDE, "255.255.255.255"),
    "the LAN's broadcast address": ("192.168.2.20", LAN, "192.168.2.255"),
    "the uplink's broadcast address": ("203.0.113.9", OUTSIDE, "203.0.113.255"),
    "the LAN's, from outside": ("203.0.113.9", OUTSIDE, "192.168.2.255"),
    "all hosts": ("192.168.2.20", LAN, "224.0.0.1"),
    "all hosts outside": ("203.0.113.9", OUTSIDE, "224.0.0.1"),
    "all nodes": ("2001:db8:123d:abc::20", LAN, "ff02::1"),
    "all nodes outside": ("fe80::5", OUTSIDE, "ff02::1"),
    "all routers of the tunnel": ("fe80::5", TUNNEL, "ff02::2"),
}
"""From whom, by which wire, and to whom."""

DENIED = {4: ("203.0.113.9", OUTSIDE, "203.0.113.5"), 6: ("2001:db8:ffff::80", TUNNEL, "2001:db8:123c:abd::2")}
OWN = "rules: [{from: outside, to: box, port: tcp/25, action: deny, log: yes}]"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("logged"), "\nfirewall: {log: all}\n") as made:
        yield made


def packet(ends: tuple[str, str, str], port: int) -> Packet:
    source, arriving, destination = ends
    return Packet(ip_address(source), ip_address(destination), "tcp", arriving, port=port)


def counted(site: Crossing, firewall: str) -> Mapping[str, int]:
    """Packets by group of rules; what no rule decides about is the rest."""
    policy = policy_of(appliance_with(firewall), site.facts)
    counts = {family: site.router.call(site.iptables.counts, family) for family in FAMILIES}
    found: dict[str, int] = {}
    for number, (packets, _) in by_rule(policy, counts).items():
        group = policy.rules[number].group if number is not None else Group.REST
        found[group] = found.get(group, 0) + packets
    return found


@pytest.mark.parametrize("what", NOISE)
def test_noise_is_dropped_without_a_word(site: Crossing, what: str) -> None:
    """Even where whatever passes or not is logged."""
    firewall = "\nfirewall: {log: all, deny: reject}\n"
    site.load(appliance_with(firewall))
    sent = [replace(packet(NOISE[what], 161 + number), protocol="udp") for number in range(EACH)]
    assert not any(site.passing(sent))
    assert counted(site, firewall)[Group.NOISE] >= EACH
    assert not sum(sum(lines(site, family).values()) for family in FAMILIES)


@pytest.mark.parametrize("deny", ["drop", "reject"])
@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_thousand_that_are_denied_few_are_logged(site: Crossing, family: int, deny: str) -> None:
    """Those of one's own rule have a limit of their own: nobody hides them by knocking elsewhere."""
    firewall = f"\nfirewall: {{deny: {deny}, {OWN}}}\n"
    site.load(appliance_with(firewall))
    began = time.monotonic()
    for port in (23, 25):
        for _ in range(MANY // AT_ONCE):
            assert not any(site.passing([packet(DENIED[family], port)] * AT_ONCE))
    longest = BURST + 1 + int(A_MINUTE * (time.monotonic() - began) / 60)
    found = counted(site, firewall)
    assert (found[Group.OWN], found[Group.REST] >= MANY) == (MANY, True)
    logged = lines(site, family)
    ufw = {4: "ufw", 6: "ufw6"}[family]
    rest, own = logged[f"{ufw}-reject-input"], logged["appliance-log-deny"]
    assert BURST <= rest <= longest
    assert BURST <= own <= longest
    assert logged.total() == rest + own


@pytest.mark.parametrize("family", FAMILIES)
def test_where_nothing_is_logged_nothing_is(site: Crossing, family: int) -> None:
    """But what a rule of one's own says."""
    firewall = f"\nfirewall: {{log: none, {OWN}}}\n"
    site.load(appliance_with(firewall))
    assert not any(site.passing([packet(DENIED[family], port) for port in (23, 24, 22, 53)]))
    assert lines(site, family).total() == 0
    assert not any(site.passing([packet(DENIED[family], 25)] * 2))
    assert lines(site, family)["appliance-log-deny"] == lines(site, family).total() == 2
