"""Who may send what to whom: the standard policy, with one service inside, against a table of verdicts.

The policy says so, and the kernel does it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, State
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443, udp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443, udp: 443}
"""
HOSTS = {
    4: {"outside": "203.0.113.9", "inside": "192.168.2.20", "box": "203.0.113.5"},
    6: {"outside": "2001:db8:ffff::80", "inside": "2001:db8:123d:abc::20", "box": "2001:db8:123c:abd::2"},
}
WIRES = {4: {"outside": OUTSIDE, "inside": LAN, "box": ""}, 6: {"outside": TUNNEL, "inside": LAN, "box": ""}}
LIES = {
    4: {"outside": "192.168.2.66", "inside": "198.51.100.66"},
    6: {"outside": "2001:db8:123d:abc::66", "inside": "2001:db8:9::66"},
}
"""Addresses that nobody has there."""

TABLE = """
from     to       what                    IPv4   IPv6
outside  box      tcp/22                  no     no
outside  box      tcp/443                 yes    no
outside  box      tcp/8080                no     no
outside  box      udp/53                  no     no
outside  box      udp/443                 yes    no
outside  box      echo                    yes    yes
outside  box      unreachable             no     no
outside  box      lying tcp/22            no     no
outside  box      lying udp/443           no     no
outside  box      amid tcp/22             no     no
outside  inside   tcp/443                 yes    yes
outside  inside   tcp/22                  no     no
outside  inside   udp/443                 yes    yes
outside  inside   udp/53                  no     no
outside  inside   echo                    no     yes
outside  inside   unreachable             no     no
outside  inside   lying tcp/443           no     no
outside  inside   amid tcp/443            no     no
inside   box      tcp/22                  yes    yes
inside   box      tcp/53                  yes    yes
inside   box      tcp/8080                no     no
inside   box      udp/53                  yes    yes
inside   box      udp/514                 no     no
inside   box      echo                    yes    yes
inside   box      lying tcp/22            no     no
inside   outside  tcp/443                 yes    yes
inside   outside  udp/53                  yes    yes
inside   outside  echo                    yes    yes
inside   outside  amid tcp/443            yes    yes
inside   outside  lying tcp/443           no     no
inside   outside  lying udp/53            no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      inside   tcp/80                  yes    yes
box      inside   udp/68                  yes    yes
"""
"""`lying`: from an address that is elsewhere; `amid`: of a TCP connection that nobody knows. The port 443 of the box's
IPv4 address is the machine's inside. An answer about no connection is none.
"""
ROWS = [line.split(maxsplit=2) for line in TABLE.splitlines()[2:]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        made.load(appliance_with(FIREWALL))
        yield made


def packet(source: str, destination: str, what: str, family: int) -> Packet:
    *manner, name = what.split()
    hosts, wires = HOSTS[family], WIRES[family]
    protocol, _, port = name.partition("/")
    types = {"echo": {4: 8, 6: 128}, "unreachable": {4: 3, 6: 1}}.get(name)
    return Packet(
        source=ip_address(LIES[family][source] if "lying" in manner else hosts[source]),
        destination=ip_address(hosts[destination]),
        protocol="icmp" if types else protocol,
        arriving=wires[source],
        leaving=wires[destination],
        port=int(port or 0),
        type=types[family] if types else 0,
        state=State.INVALID if name == "unreachable" else State.ANY,
        opening="amid" not in manner,
    )


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row) for row in ROWS])
def test_who_may_send_what_to_whom(site: Crossing, row: list[str], family: int) -> None:
    source, destination, rest = row
    what, *verdicts = rest.rsplit(maxsplit=2)
    sent = packet(source, destination, what.strip(), family)
    expected = verdicts[(4, 6).index(family)] == "yes"
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == expected
    assert site.passing([sent]) == [expected]


@pytest.mark.usefixtures("site")
def test_without_the_rules_all_of_it_passes(tmp_path: Path) -> None:
    """So that it is the rules which decide above, and not the wires."""
    with crossing(tmp_path) as bare:
        for family in (4, 6):
            sent = [packet(row[0], row[1], row[2].rsplit(maxsplit=2)[0].strip(), family) for row in ROWS]
            passed = dict(zip(map(tuple, ROWS), bare.passing(sent), strict=True))
            assert not [row for row, has in passed.items() if not has]
