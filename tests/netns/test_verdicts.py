"""Who may send what to whom, as the policy says and the kernel does it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES, Action
from tests.netns.crossing import PLACES, Crossing, appliance_with, crossing
from tests.verdicts import FIREWALL, Row, packet, rows

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        made.load(appliance_with(FIREWALL))
        yield made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("row", rows(), ids=str)
def test_who_may_send_what_to_whom(site: Crossing, row: Row, family: int) -> None:
    sent = packet(PLACES, row.source, row.destination, row.what, family)
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == row.verdicts[family]
    assert site.passing([sent]) == [row.verdicts[family]]


@pytest.mark.usefixtures("site")
def test_without_the_rules_all_of_it_passes(tmp_path: Path) -> None:
    """So that it is the rules which decide above, and not the wires."""
    with crossing(tmp_path) as bare:
        for family in FAMILIES:
            sent = [packet(PLACES, row.source, row.destination, row.what, family) for row in rows()]
            passed = zip(rows(), bare.passing(sent), strict=True)
            assert not [str(row) for row, has in passed if not has]
