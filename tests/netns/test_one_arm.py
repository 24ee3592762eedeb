"""A gateway with one arm: inside and outside are behind the same interface, told apart by their addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import ONE_ARMED, OUTSIDE, Crossing, appliance_with, loaded

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  rules:
    - {from: box, to: inside, port: tcp/80, action: deny}
    - {from: box, to: outside, port: tcp/81, action: deny}
    - {from: outside, source: 192.168.0.0/16, to: box, port: tcp/8080, action: allow}
    - {from: outside, to: box, port: tcp/8081, action: allow}
"""
BOX = "192.168.1.252"
NEIGHBOUR, HOUSE, INTERNET = "192.168.1.20", "192.168.7.7", "203.0.113.9"
"""Inside, in another network of the house, and beyond."""

TABLE = (
    (BOX, NEIGHBOUR, 80, False),
    (BOX, INTERNET, 80, True),
    (BOX, NEIGHBOUR, 81, True),
    (BOX, INTERNET, 81, False),
    (BOX, HOUSE, 81, False),
    (NEIGHBOUR, BOX, 8080, False),
    (HOUSE, BOX, 8080, True),
    (INTERNET, BOX, 8080, False),
    (NEIGHBOUR, BOX, 8081, False),
    (HOUSE, BOX, 8081, True),
    (INTERNET, BOX, 8081, True),
    (NEIGHBOUR, BOX, 22, True),
    (INTERNET, BOX, 22, False),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("crossing"), FIREWALL, ONE_ARMED) as made:
        yield made


@pytest.mark.parametrize(("source", "destination", "port", "passes"), TABLE)
def test_who_may_send_what_to_whom(site: Crossing, source: str, destination: str, port: int, passes: bool) -> None:
    ways = ("", OUTSIDE) if source == BOX else (OUTSIDE, "")
    sent = Packet(ip_address(source), ip_address(destination), "tcp", *ways, port)
    decision = decide(policy_of(appliance_with(FIREWALL, ONE_ARMED), site.facts), sent)
    assert (decision.action is Action.ALLOW) == passes
    assert site.passing([sent]) == [passes]
