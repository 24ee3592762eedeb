"""The hand-written rules that the benchmark compares ours with let the same packets through, to the same machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.bench.firewall_rulesets import FIRST_PORT, IPV4, IPV6, Ends, load_by_hand, load_policy
from tests.netns.crossing import PLACES, Crossing, crossing
from tests.netns.packets import Crafted
from tests.verdicts import Row, asked, packet

pytestmark = pytest.mark.netns

COUNT = 10
ENDS = {4: IPV4, 6: IPV6}
THROUGH = ({"outside", "inside"}, {"inside"}, {"outside"})
LINES = [(row, family) for row, family in asked() if {row.source, row.destination} in THROUGH]


@dataclass(frozen=True)
class Compared:
    """A router with our policy, and one with what is written by hand for the same."""

    ours: Crossing
    by_hand: Crossing


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Compared]]:
    """By family."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    folder = tmp_path_factory.mktemp("crossing")
    with crossing(folder) as ours4, crossing(folder) as hand4, crossing(folder) as ours6, crossing(folder) as hand6:
        found = {4: Compared(ours4, hand4), 6: Compared(ours6, hand6)}
        for family, sites in found.items():
            load_policy(sites.ours, ENDS[family], COUNT)
            load_by_hand(sites.by_hand, ENDS[family], COUNT)
        yield found


@pytest.mark.parametrize(("row", "family"), LINES, ids=str)
def test_both_let_the_same_through(compared: dict[int, Compared], row: Row, family: int) -> None:
    sites, sent = compared[family], packet(PLACES, row.source, row.destination, row.what, family)
    for each in (sent, listed(sent, ENDS[family])):
        assert sites.by_hand.passed([each]) == sites.ours.passed([each])


@pytest.mark.parametrize("ends", ENDS.values(), ids=["IPv4", "IPv6"])
def test_both_lead_to_the_service_that_is_measured(compared: dict[int, Compared], ends: Ends) -> None:
    sites, sent = compared[ends.family], packet(PLACES, "outside", "inside", "tcp/1", ends.family)
    sent = replace(sent, destination=ends.asked, port=ends.asked_port(COUNT))
    [ours], [by_hand] = sites.ours.passed([sent]), sites.by_hand.passed([sent])
    assert ours is not None
    assert ours == by_hand


def listed(sent: Crafted, ends: Ends) -> Crafted:
    """The same, about a port that is open inside."""
    return replace(sent, port=FIRST_PORT + COUNT // 2) if sent.protocol in ("tcp", "udp") else sent
