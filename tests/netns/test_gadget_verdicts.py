"""Who may send what to whom through a gadget: its standard policy, against a table of verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.gadget_verdicts import TABLE, places
from tests.netns.crossing import GADGET, UNIQUE, Crossing, appliance_with, crossing
from tests.verdicts import Row, asked, packet

pytestmark = pytest.mark.netns

PLACES = places({4: "203.0.113.5", 6: "2001:db8:1::5"}, {4: "203.0.113.9", 6: "2001:db8:1::9"}, UNIQUE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing"), GADGET) as made:
        made.load(appliance_with("", GADGET))
        yield made


@pytest.mark.parametrize(("row", "family"), asked(TABLE), ids=str)
def test_who_may_send_what_to_whom(site: Crossing, row: Row, family: int) -> None:
    sent = packet(PLACES, row.source, row.destination, row.what, family)
    policy = policy_of(appliance_with("", GADGET), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == row.verdicts[family]
    assert site.passing([sent]) == [row.verdicts[family]]


def test_the_laptop_goes_out_under_the_boxs_address(site: Crossing) -> None:
    [passed] = site.passed([packet(PLACES, "laptop", "outside", "tcp/443", 4)])
    assert passed is not None
    assert passed.source == PLACES.hosts[4]["box"]
