"""Control messages as RFC 4890 would have them, and those of IPv4: through the box (4.3), and to it (4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, State
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, loaded
from tests.netns.packets import Crafted, datagrams

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, udp: 443}
    - {to: "2001:db8:123d:abc::20", udp: 443}
"""
INSIDE, PEER = "2001:db8:123d:abc::20", "2001:db8:ffff::80"
BOX, ON_LINK, ALL_NODES = "2001:db8:123c:abd::2", "fe80::5", "ff02::1"
SENDERS = {"inside": (INSIDE, LAN), "outside": (PEER, TUNNEL), "link": (ON_LINK, TUNNEL), "LAN's": (ON_LINK, LAN)}
"""By where they are: an address there, and the wire. Messages of a link have one of the link, and are for it."""
RECEIVERS = {"inside": (INSIDE, LAN), "outside": (PEER, TUNNEL), "box": (BOX, ""), "all": (ALL_NODES, "")}

TABLE = """
section  from     to       hops  passes  types
4.3.1    outside  inside   64    yes     128
4.3.1    inside   outside  64    yes     128
4.3.1    outside  inside   64    no      1 2 3 4 129
4.3.2    outside  inside   64    no      144 145 146 147
4.3.3    outside  inside   255   no      130 131 132 133 134 135 136 137 141 142 143 148 149 151 152 153
4.3.4    outside  inside   64    no      5 99 102 126 150 154 199 202 254
4.3.5    outside  inside   64    no      100 101 127 138 139 140 200 201 255
4.4.1    outside  box      64    yes     128
4.4.1    inside   box      64    yes     128
4.4.1    outside  box      64    no      1 2 3 4 129
4.4.1    link     all      255   yes     133 134 135 136 141 142 148 149
4.4.1    link     all      64    no      133 134 135 136 141 142 148 149
4.4.1    LAN's    box      255   yes     133 134 135 136 141 142 148 149
4.4.1    outside  box      64    no      133 134 135 136 141 142 148 149
4.4.1    link     all      1     yes     130 131 132 143 151 152 153
4.4.1    LAN's    all      1     yes     130 131 132 143 151 152 153
4.4.1    outside  box      64    no      130 131 132 143 151 152 153
4.4.3    outside  box      64    no      138 144 145 146 147 150
4.4.4    link     all      255   no      5 99 102 126 137 139 140
4.4.4    LAN's    box      255   no      5 99 102 126 137 139 140
4.4.5    outside  box      64    no      100 101 127 154 199 200 201 202 254 255
"""
"""What must not be dropped, what need not be, and what should be. Errors and answers must belong to something: see
below. Nobody here is away from home (144 to 147, Mobile IPv6), or is told by redirects (137) where to send."""
ROWS = [line.split(maxsplit=5) for line in TABLE.splitlines()[2:]]
VALID = {128, *range(130, 138), 139, 143, *range(151, 154)}
"""By itself, anything else is invalid to connection tracking."""
ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("crossing"), FIREWALL) as made:
        yield made


@pytest.mark.parametrize("row", ROWS, ids=["RFC 4890 {}: {} to {}, {} hops: {}".format(*row) for row in ROWS])
def test_what_is_sent_unasked(site: Crossing, row: list[str]) -> None:
    _, sender, receiver, hops, passes, types = row
    (source, arriving), (destination, leaving) = SENDERS[sender], RECEIVERS[receiver]
    ends = (ip_address(source), ip_address(destination))
    sent = [
        Packet(*ends, "icmp", arriving, leaving, type=kind, hops=int(hops), state=_state(kind))
        for kind in map(int, types.split())
    ]
    expected = [passes == "yes"] * len(sent)
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    assert [decide(policy, each).action is Action.ALLOW for each in sent] == expected
    assert site.passing(sent) == expected


def _state(kind: int) -> State:
    return State.ANY if kind in VALID else State.INVALID


INSIDE4, BOX4, PEER4 = "192.168.2.20", "203.0.113.5", "203.0.113.9"
OPENED = {
    (6, "4.3.1: to the inside that opened it"): ((INSIDE, PEER, LAN, TUNNEL), (PEER, INSIDE, TUNNEL, LAN)),
    (6, "4.3.1: to the outside that opened it"): ((PEER, INSIDE, TUNNEL, LAN), (INSIDE, PEER, LAN, TUNNEL)),
    (6, "4.4.1: to the box that opened it"): ((BOX, PEER, "", TUNNEL), (PEER, BOX, TUNNEL, "")),
    (4, "to the inside that opened it"): ((INSIDE4, PEER4, LAN, OUTSIDE), (PEER4, BOX4, OUTSIDE, "")),
    (4, "to the outside that opened it"): ((PEER4, BOX4, OUTSIDE, ""), (INSIDE4, PEER4, LAN, OUTSIDE)),
    (4, "to the box that opened it"): ((BOX4, PEER4, "", OUTSIDE), (PEER4, BOX4, OUTSIDE, "")),
}
"""What was sent, and the error about it: whose, to whom, and by which interfaces."""


@pytest.mark.parametrize(("family", "case"), OPENED, ids=lambda each: f"RFC 4890 {each}" if each != 4 else "IPv4")
def test_errors_about_what_was_sent_come_back_and_no_others(site: Crossing, family: int, case: str) -> None:
    opening, answer = (_between(*ends) for ends in OPENED[family, case])
    opening = replace(opening, protocol="udp", port=443, source_port=5000)
    assert site.passing([opening]) == [True]
    # What it is about is quoted as it was when it arrived: with the box's address on it, or off it.
    met = replace(opening, source=answer.destination, destination=answer.source)
    kinds = [replace(answer, type=kind) for kind in ERRORS[family]]
    known = [replace(kind, quoted=datagrams(met, 1)[0]) for kind in kinds]
    others = [replace(kind, quoted=datagrams(replace(met, port=444), 1)[0]) for kind in kinds]
    assert None not in site.passed_amid_connections(known)
    assert set(site.passed_amid_connections(others)) == {None}


def _between(source: str, destination: str, arriving: str, leaving: str) -> Crafted:
    return Crafted(ip_address(source), ip_address(destination), "icmp", arriving, leaving)
