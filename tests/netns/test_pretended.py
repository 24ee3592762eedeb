"""Whoever pretends to be inside makes nobody answer the machine whose address he took, however packets are denied."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, loaded
from tests.netns.logged import lines
from tests.netns.test_apart import (
    BOX,
    BOX6,
    GUEST,
    GUEST6,
    GUESTS,
    HOME,
    HOME6,
    INTERNET,
    INTERNET6,
    TWO,
)

pytestmark = pytest.mark.netns

FIREWALL = "\nfirewall: {deny: reject}\n"
ANSWERS = """
table inet answers {
  set told4 { typeof ip daddr; flags dynamic; }
  set told6 { typeof ip6 daddr; flags dynamic; }
  chain told {
    meta nfproto ipv4 add @told4 { ip daddr }
    meta nfproto ipv6 add @told6 { ip6 daddr }
  }
  chain output {
    type filter hook output priority 300;
    tcp flags rst jump told
    icmp type destination-unreachable jump told
    icmpv6 type destination-unreachable jump told
  }
}
"""
"""Who is told that a packet was denied."""
BY = {4: OUTSIDE, 6: TUNNEL}
HERE, BESIDE, ABROAD = {4: HOME, 6: HOME6}, {4: GUEST, 6: GUEST6}, {4: INTERNET, 6: INTERNET6}
OWN = {4: BOX, 6: BOX6}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("pretended"), FIREWALL, TWO) as made:
        made.router.program("nft", "-f", "-", stdin=ANSWERS)
        yield made


def sent(source: str, arriving: str, family: int) -> Sequence[Packet]:
    """To the box, and to the network inside that the sender is not in, of several protocols."""
    other, wire = (BESIDE, GUESTS) if arriving != GUESTS else (HERE, LAN)
    ends = ((OWN[family], ""), (other[family], wire))
    made = [Packet(ip_address(source), ip_address(end), "tcp", arriving, leaving, 22) for end, leaving in ends]
    return [*made, *(replace(each, protocol=other, port=161) for each in made for other in ("udp", "99"))]


def told(site: Crossing) -> set[str]:
    listed = json.loads(site.router.program("nft", "-j", "list", "table", "inet", "answers"))["nftables"]
    return {address for each in listed for address in each.get("set", {}).get("elem", ())}


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_is_told_of_what_others_sent_in_his_name(site: Crossing, family: int) -> None:
    policy = policy_of(appliance_with(FIREWALL, TWO), site.facts)
    before = lines(site, family)
    for source, arriving in ((HERE, BY[family]), (BESIDE, BY[family]), (HERE, GUESTS)):
        pretended = sent(source[family], arriving, family)
        assert {decide(policy, each).action for each in pretended} == {Action.DROP}
        assert not any(site.passing(pretended))
    assert told(site).isdisjoint({HERE[family], BESIDE[family]})
    assert sum((lines(site, family) - before).values()) > 0


@pytest.mark.parametrize("family", [4, 6])
def test_whoever_sends_in_his_own_name_is(site: Crossing, family: int) -> None:
    assert not any(site.passing(sent(ABROAD[family], BY[family], family)))
    assert ABROAD[family] in told(site)
