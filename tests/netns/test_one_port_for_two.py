"""A port of the box's address that leads some to one machine, and others to another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.services import service
from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.question import Question, packets
from firstboot.policy.rules import Action
from tests.netns.crossing import Crossing, appliance_with, loaded

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  port_forwards:
    - {port: tcp/443, to: 192.168.2.20, to_port: 8443, from: [198.51.100.0/24]}
    - {port: tcp/440-450, to: 192.168.2.21, from: [203.0.113.9, 203.0.113.64/26]}
  allow_in:
    - {to: 192.168.2.22, tcp: 443, from: [192.0.2.0/24]}
"""
TABLE = (
    ("198.51.100.7", "tcp/443", ("192.168.2.20", 8443)),
    ("203.0.113.9", "tcp/443", ("192.168.2.21", 443)),
    ("203.0.113.70", "tcp/445", ("192.168.2.21", 445)),
    ("192.0.2.9", "tcp/443", ("192.168.2.22", 443)),
    ("198.51.100.7", "tcp/445", None),
    ("203.0.113.10", "tcp/443", None),
    ("192.0.2.9", "udp/443", None),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("crossing"), FIREWALL) as made:
        yield made


@pytest.mark.parametrize(("source", "port", "reached"), TABLE)
def test_each_sender_comes_to_the_machine_that_is_meant(
    site: Crossing, source: str, port: str, reached: tuple[str, int] | None
) -> None:
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    [sent] = packets(Question(source, "203.0.113.5", service(port)), policy, site.facts)
    decision = decide(policy, sent)
    assert (decision.action is Action.ALLOW) == (reached is not None)
    [passed] = site.passed([sent])
    if reached is None:
        assert passed is None
        return
    assert decision.passed_on is not None
    assert passed is not None
    assert (str(decision.passed_on.destination), decision.passed_on.port) == reached
    assert (passed.destination, passed.port) == reached


def test_from_inside_it_is_a_port_of_the_boxs_own(site: Crossing) -> None:
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    [sent] = packets(Question("inside", "203.0.113.5", service("tcp/443")), policy, site.facts)
    decision = decide(policy, sent)
    assert (decision.action, decision.passed_on) == (Action.DENY, None)
    assert site.passed([sent]) == [None]
