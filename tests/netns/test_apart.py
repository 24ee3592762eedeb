"""Two networks inside: neither reaches the other, and nobody pretends to be on one where he is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from appliance.model import Appliance
from appliance.services import service
from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.question import Question, packets
from firstboot.policy.rules import Action
from tests.netns.crossing import GATEWAY, LAN, ONE_ARMED, OUTSIDE, TUNNEL, Crossing, Place, appliance_with, crossing

pytestmark = pytest.mark.netns

GUESTS = "eth2"
TWO = Place(
    """
profile: gateway
ssh:
  authorized_keys: []
uplink:
  interface: eth0
  address: 203.0.113.5/24
  gateway: 203.0.113.1
tunnel:
  server: 198.51.100.100
  address: 2001:db8:123c:abd::2/64
  routed: 2001:db8:123d::/48
lan:
  interface: eth1
  address: 192.168.2.1/24
  dhcp4: {range: 192.168.2.20-192.168.2.99}
  others:
    - {interface: eth2, address: 192.168.3.1/24, dhcp4: {range: 192.168.3.20-192.168.3.99}}
""",
    LAN,
    (OUTSIDE, TUNNEL, GUESTS),
    (
        (LAN, "192.168.2.1/24"),
        (LAN, "2001:db8:123d::1/64"),
        (GUESTS, "192.168.3.1/24"),
        (GUESTS, "2001:db8:123d:1::1/64"),
        (OUTSIDE, "203.0.113.5/24"),
        (TUNNEL, "2001:db8:123c:abd::2/64"),
    ),
    GATEWAY.routers,
)
FIREWALL = """
firewall:
  management:
    ssh_from: [192.168.2.0/24, "2001:db8:123d::/64"]
  allow_in:
    - {to: nas, tcp: 443}
  rules:
    - {from: any, source: "2001:db8:123d:1::/64", to: inside, port: udp/161, action: allow}
"""
HOME, GUEST, BOX, INTERNET = "192.168.2.20", "192.168.3.30", "192.168.2.1", "198.51.100.9"
HOME6, GUEST6, BOX6, INTERNET6 = "2001:db8:123d::20", "2001:db8:123d:1::30", "2001:db8:123d::1", "2001:db8:ffff::80"
Row = tuple[str, str, str, str, str, int, bool]
"""Who sends by which interface, to whom by which, what, and whether it passes."""

TABLE: tuple[Row, ...] = (
    (GUEST, GUESTS, HOME, LAN, "tcp", 445, False),
    (GUEST6, GUESTS, HOME6, LAN, "tcp", 445, False),
    (GUEST, GUESTS, HOME, LAN, "icmp", 0, False),
    (GUEST6, GUESTS, HOME6, LAN, "icmp", 0, False),
    (HOME, LAN, GUEST, GUESTS, "icmp", 0, False),
    (HOME6, LAN, GUEST6, GUESTS, "tcp", 80, False),
    (GUEST, GUESTS, INTERNET, OUTSIDE, "tcp", 443, True),
    (GUEST6, GUESTS, INTERNET6, TUNNEL, "icmp", 0, True),
    (GUEST, GUESTS, "192.168.3.1", "", "udp", 53, True),
    (GUEST6, GUESTS, "2001:db8:123d:1::1", "", "icmp", 0, True),
    (HOME, LAN, BOX, "", "tcp", 22, True),
    (HOME6, LAN, BOX6, "", "tcp", 22, True),
    (GUEST, GUESTS, BOX, "", "tcp", 22, False),
    (GUEST6, GUESTS, BOX6, "", "tcp", 22, False),
    (HOME, GUESTS, BOX, "", "tcp", 22, False),
    (HOME6, GUESTS, BOX6, "", "tcp", 22, False),
    (HOME6, OUTSIDE, BOX6, "", "tcp", 22, False),
    (HOME6, TUNNEL, BOX6, "", "tcp", 22, False),
    (GUEST6, GUESTS, HOME6, LAN, "udp", 161, True),
    (GUEST6, OUTSIDE, HOME6, LAN, "udp", 161, False),
    (GUEST6, TUNNEL, HOME6, LAN, "udp", 161, False),
    (INTERNET6, TUNNEL, HOME6, LAN, "tcp", 443, True),
    (INTERNET6, TUNNEL, GUEST6, GUESTS, "tcp", 443, False),
    (BOX, "", HOME, LAN, "tcp", 80, True),
    (BOX6, "", HOME6, LAN, "tcp", 80, True),
)
CLAIMED = {"nas": (IPv4Address(HOME), IPv6Address(HOME6), IPv6Address(GUEST6))}
"""A guest has the NAS's hardware address, too."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("apart"), TWO) as made:
        made.facts = replace(made.facts, hosts=CLAIMED)
        made.load(appliance_with(FIREWALL, TWO))
        yield made


@pytest.mark.parametrize("row", TABLE)
def test_who_may_send_what_to_whom(site: Crossing, row: Row) -> None:
    source, arriving, destination, leaving, protocol, port, passes = row
    echo = {4: 8, 6: 128}[ip_address(source).version] if protocol == "icmp" else 0
    sent = Packet(ip_address(source), ip_address(destination), protocol, arriving, leaving, port, type=echo)
    decision = decide(policy_of(appliance_with(FIREWALL, TWO), site.facts), sent)
    assert (decision.action is Action.ALLOW) == passes, decision
    assert site.passing([sent]) == [passes]


NAMED = """\
  dhcp4: {range: 192.168.1.10-192.168.1.99}
firewall:
  allow_in:
    - {to: nas, tcp: [22, 53, 443]}
"""


def by_name(made: Crossing) -> Appliance:
    made.facts = replace(made.facts, hosts={"nas": (IPv4Address("192.168.1.20"), IPv6Address("2001:db8:123d:abc::20"))})
    return appliance_with(NAMED, ONE_ARMED)


def test_with_one_arm_no_port_of_the_box_leads_to_a_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its IPv4 does not come by, so it would take the box's own ports away: ssh, DNS."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("one-arm"), ONE_ARMED) as made:
        appliance = by_name(made)
        made.load(appliance)
        policy = policy_of(appliance, made.facts)
        box, neighbour, machine = (ip_address(f"192.168.1.{number}") for number in (252, 30, 20))
        own = [Packet(neighbour, box, "tcp", OUTSIDE, "", port) for port in (22, 53, 443)]
        assert [decide(policy, each).passed_on for each in own] == [None] * 3
        assert [passed and passed.destination for passed in made.passed(own)] == ["", "", None]
        assert made.passing(own) == [True, True, False]
        reached = Packet(
            ip_address("2001:db8:ffff::80"), ip_address("2001:db8:123d:abc::20"), "tcp", TUNNEL, OUTSIDE, 22
        )
        assert made.passing([reached, replace(reached, port=25)]) == [True, False]
        assert machine not in {network.network_address for rule in policy.rules for network in rule.destination or ()}


def test_from_inside_to_inside_another_network_is_asked_about(site: Crossing) -> None:
    policy = policy_of(appliance_with(FIREWALL, TWO), site.facts)
    asked = list(packets(Question("inside", "inside", service("udp/161")), policy, site.facts))
    assert [(each.arriving, each.leaving) for each in asked] == [(LAN, GUESTS)] * 2
    assert [decide(policy, each).action for each in asked] == [Action.DENY] * 2
    assert site.passing(asked) == [False, False]
