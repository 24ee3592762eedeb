"""Who may send what to whom: the standard policy, with one service inside, against a table of verdicts.

The policy says so, and the kernel does it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import PLACES, Crossing, appliance_with, crossing
from tests.verdicts import FIREWALL, Row, asked, packet

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        made.load(appliance_with(FIREWALL))
        yield made


@pytest.mark.parametrize(("row", "family"), asked(), ids=str)
def test_who_may_send_what_to_whom(site: Crossing, row: Row, family: int) -> None:
    sent = packet(PLACES, row.source, row.destination, row.what, family)
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == row.verdicts[family]
    assert site.passing([sent]) == [row.verdicts[family]]


NOBODYS = {
    4: ("127.0.0.1", "203.0.113.5", "192.168.2.1", "224.0.0.5", "255.255.255.255", "0.0.0.0"),
    6: ("::1", "2001:db8:123d:abc::1", "ff02::5"),
}
"""This machine, as it calls itself and as others do; groups, everybody, nobody: nothing comes from there."""


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("target", ["box", "inside"])
def test_from_nobodys_address_nothing_passes(site: Crossing, family: int, target: str) -> None:
    """Whether it is the policy or the kernel by itself that throws it away."""
    services = ("tcp/443", "udp/443", "fragmented udp/443", "tcp/22", "echo", "41")
    sent = [packet(PLACES, "outside", target, service, family) for service in services]
    pretended = [replace(each, source=ip_address(source)) for each in sent for source in NOBODYS[family]]
    assert [each for each, has in zip(pretended, site.passing(pretended), strict=True) if has] == []
    assert any(site.passing(sent))


@pytest.mark.parametrize("service", ["tcp/22", "tcp/53", "udp/53", "lying udp/443"])
def test_the_boxs_own_outer_address_is_nobody_special(site: Crossing, service: str) -> None:
    """IPv6 believes that somebody else may have it."""
    own = replace(packet(PLACES, "outside", "box", service, 6), source=ip_address(PLACES.hosts[6]["box"]))
    assert site.passing([own]) == [False]


FRAGMENTS = {
    "the first only": [(0, 24)],
    "the last only": [(24, 100)],
    "the middle is missing": [(0, 24), (40, 100)],
    "overlapping": [(0, 24), (16, 100)],
    "overlapping from behind": [(24, 100), (0, 32)],
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("pieces", FRAGMENTS.values(), ids=FRAGMENTS)
@pytest.mark.parametrize("ends", [("outside", "inside"), ("inside", "outside"), ("outside", "box")], ids=" to ".join)
def test_of_what_cannot_be_put_together_nothing_passes(
    site: Crossing, ends: tuple[str, str], pieces: list[tuple[int, int]], family: int
) -> None:
    """Though it would be let by: connection tracking has the pieces put together first (RFC 5722)."""
    sent = [replace(packet(PLACES, *ends, service, family), pieces=pieces) for service in ("udp/443", "tcp/443")]
    assert site.passing(sent) == [False, False]


@pytest.mark.parametrize("order", [[(0, 24), (24, 100)], [(24, 100), (0, 24)]], ids=["in order", "last first"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_shut_port_does_not_hide_in_fragments(site: Crossing, family: int, order: list[tuple[int, int]]) -> None:
    services = {"tcp/22": False, "udp/53": False, "tcp/443": True, "udp/443": True}
    sent = [replace(packet(PLACES, "outside", "inside", service, family), pieces=order) for service in services]
    assert site.passing(sent) == list(services.values())


def test_a_header_of_tcp_is_not_divided(site: Crossing) -> None:
    """By IPv4 it is put together before it is looked at; IPv6 forbids it (RFC 8200, 4.5)."""
    for family in (4, 6):
        sent = [packet(PLACES, "outside", "inside", service, family) for service in ("tcp/22", "tcp/443")]
        divided = [replace(each, pieces=[(0, 8), (8, 100)]) for each in sent]
        assert site.passing(divided) == [False, family == 4]


@pytest.mark.usefixtures("site")
def test_without_the_rules_all_of_it_passes(tmp_path: Path) -> None:
    """So that it is the rules which decide above, and not the wires."""
    with crossing(tmp_path) as bare:
        sent = [packet(PLACES, row.source, row.destination, row.what, family) for row, family in asked()]
        passed = zip(asked(), bare.passing(sent), strict=True)
        assert not [f"{row} {family}" for (row, family), has in passed if not has]
