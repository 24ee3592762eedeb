"""The policy and the kernel agree about every packet: what `firewall test` says is what happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from firstboot.policy.decision import Decision, Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, Group, Policy
from tests.netns.crossing import OUTSIDE, Crossing, Passed, Place, appliance_with, crossing
from tests.netns.generated_policies import ONE_ARM, PORTED, TWO_ARMS, batches, firewalls

pytestmark = pytest.mark.netns


def made(factory: pytest.TempPathFactory, place: Place) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(factory.mktemp("crossing"), place) as found:
        yield found


@pytest.fixture(scope="module")
def two_arms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    yield from made(tmp_path_factory, TWO_ARMS.place)


@pytest.fixture(scope="module")
def one_arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    yield from made(tmp_path_factory, ONE_ARM.place)


WHATEVER = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@WHATEVER
@given(text=firewalls(TWO_ARMS), sent=batches(TWO_ARMS))
def test_whatever_the_policy_says_the_kernel_does(two_arms: Crossing, text: str, sent: list[Packet]) -> None:
    assert_agreed(two_arms, text, sent)


@WHATEVER
@given(text=firewalls(ONE_ARM), sent=batches(ONE_ARM))
def test_the_same_where_inside_and_outside_are_behind_one_interface(
    one_arm: Crossing, text: str, sent: list[Packet]
) -> None:
    assert_agreed(one_arm, text, sent)


def assert_agreed(site: Crossing, text: str, sent: list[Packet]) -> None:
    appliance = appliance_with(text, site.place)
    site.load(appliance)
    policy = policy_of(appliance, site.facts)
    for packet, passed in zip(sent, site.passed(sent), strict=True):
        decision = decide(policy, packet)
        assert (passed is not None) == (decision.action is Action.ALLOW), (text, packet, decision)
        if passed is not None and packet.arriving and packet.family == 4:
            assert_ends(site, policy, packet, decision, passed)


def assert_ends(site: Crossing, policy: Policy, packet: Packet, decision: Decision, passed: Passed) -> None:
    """It goes to whom the decision says; and leaves as whom the policy says, which is the box where nothing is said."""
    meant = decision.passed_on or packet
    if not meant.leaving:
        assert passed == Passed(), (packet, decision, passed)
        return
    assert passed.destination == str(meant.destination), (packet, decision, passed)
    assert packet.protocol not in PORTED or passed.port == meant.port, (packet, decision, passed)
    own = meant.leaving == OUTSIDE and is_translated(policy, packet)
    assert passed.source == (site.own(OUTSIDE) if own else str(packet.source)), (packet, decision, passed)


def is_translated(policy: Policy, packet: Packet) -> bool:
    """Of the rules of one's own that would let it leave, the first one says so; or it is as usual."""
    own = tuple(rule for rule in policy.rules if rule.group is Group.OWN and rule.action is Action.ALLOW)
    rule = decide(replace(policy, rules=own), packet).rule
    if rule is not None and rule.nat is not None:
        return rule.nat
    return any(packet.source in way.network for way in policy.zones.ways[4] if way.translated)
