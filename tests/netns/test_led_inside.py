"""A rule of one's own is about whom a packet is for, not to whom it was sent: so both families are alike."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, loaded

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443}
  rules:
    - {from: outside, to: box, port: tcp/443, action: deny}
    - {from: outside, source: 198.51.100.9, to: inside, port: tcp/443, action: deny}
    - {from: outside, source: "2001:db8:bad::/48", to: inside, port: tcp/443, action: deny}
"""
SERVICE = {4: ("203.0.113.5", OUTSIDE, ""), 6: ("2001:db8:123d:abc::20", TUNNEL, LAN)}
"""To whom the outside sends what is for the machine, by which wire it comes, and by which it would go untouched."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("led"), FIREWALL) as made:
        yield made


@pytest.mark.parametrize(
    ("family", "source", "passes"),
    [
        (4, "203.0.113.9", True),
        (6, "2001:db8:ffff::80", True),
        (4, "198.51.100.9", False),
        (6, "2001:db8:bad::1", False),
    ],
)
def test_what_is_for_a_machine_is_denied_by_a_rule_to_inside_alone(
    site: Crossing, family: int, source: str, passes: bool
) -> None:
    destination, arriving, leaving = SERVICE[family]
    sent = Packet(ip_address(source), ip_address(destination), "tcp", arriving, leaving, port=443)
    decision = decide(policy_of(appliance_with(FIREWALL), site.facts), sent)
    assert (decision.action is Action.ALLOW) == passes
    assert site.passing([sent]) == [passes]
