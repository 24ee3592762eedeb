"""Who may send what to whom through a gadget: its standard policy, against a table of verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, State
from tests.netns.crossing import CABLE, GADGET, OUTSIDE, UNIQUE, Crossing, appliance_with, crossing
from tests.netns.packets import Crafted

pytestmark = pytest.mark.netns

HOSTS = {
    4: {"outside": "198.51.100.7", "link": "203.0.113.9", "laptop": "10.55.0.2", "box": "203.0.113.5"},
    6: {"outside": "2001:db8:ffff::80", "link": "2001:db8:1::9", "laptop": str(UNIQUE[0x20]), "box": "2001:db8:1::5"},
}
WIRES = {"outside": OUTSIDE, "link": OUTSIDE, "laptop": CABLE, "box": ""}
LIES = {
    4: {"outside": "10.55.0.3", "laptop": "10.55.0.66"},
    6: {"outside": str(UNIQUE[0x66]), "laptop": "2001:db8:9::66"},
}
"""Addresses that nobody has there."""

TABLE = """
from     to       what                    IPv4   IPv6
outside  box      tcp/22                  no     no
outside  box      udp/53                  no     no
outside  box      udp/5353                no     no
outside  box      echo                    no     no
outside  box      unreachable             no     no
outside  box      amid tcp/22             no     no
outside  box      lying tcp/22            no     no
outside  box      fragmented udp/53       no     no
outside  box      41                      no     no
link     box      tcp/22                  no     no
link     box      udp/5353                no     no
link     box      echo                    no     no
link     box      41                      no     no
outside  laptop   tcp/443                 no     no
outside  laptop   udp/53                  no     no
outside  laptop   echo                    no     no
outside  laptop   unreachable             no     no
outside  laptop   amid tcp/443            no     no
outside  laptop   lying tcp/443           no     no
outside  laptop   fragmented udp/443      no     no
outside  laptop   41                      no     no
laptop   box      tcp/22                  yes    yes
laptop   box      udp/53                  yes    yes
laptop   box      tcp/53                  yes    yes
laptop   box      udp/67                  yes    no
laptop   box      udp/547                 no     yes
laptop   box      udp/5353                yes    yes
laptop   box      tcp/8080                no     no
laptop   box      echo                    yes    yes
laptop   box      fragmented udp/53       yes    yes
laptop   box      lying tcp/22            no     no
laptop   outside  tcp/443                 yes    yes
laptop   outside  udp/443                 yes    yes
laptop   outside  echo                    yes    yes
laptop   outside  amid tcp/443            yes    yes
laptop   outside  fragmented udp/443      yes    yes
laptop   outside  lying tcp/443           no     no
laptop   outside  lying echo              no     no
laptop   outside  41                      yes    yes
laptop   link     tcp/443                 yes    yes
laptop   outside  unreachable             no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      laptop   tcp/443                 yes    yes
box      laptop   echo                    yes    yes
box      box      tcp/22                  yes    yes
"""
ROWS = [line.split(maxsplit=2) for line in TABLE.splitlines()[2:]]
TYPES = {"echo": {4: 8, 6: 128}, "unreachable": {4: 3, 6: 1}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing"), GADGET) as made:
        made.load(appliance_with("", GADGET))
        yield made


def packet(source: str, destination: str, what: str, family: int) -> Crafted:
    *manner, name = what.split()
    protocol, _, port = name.partition("/")
    return Crafted(
        source=ip_address((LIES if "lying" in manner else HOSTS)[family][source]),
        destination=ip_address(HOSTS[family][destination]),
        protocol="icmp" if name in TYPES else protocol,
        arriving=WIRES[source],
        leaving=WIRES[destination] or ("lo" if source == "box" else ""),
        port=int(port or 0),
        type=TYPES[name][family] if name in TYPES else 0,
        state=State.INVALID if name == "unreachable" else State.ANY,
        opening="amid" not in manner,
        pieces=((0, 24), (24, 100)) if "fragmented" in manner else (),
        size=56,
    )


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row) for row in ROWS])
def test_who_may_send_what_to_whom(site: Crossing, row: list[str], family: int) -> None:
    source, destination, rest = row
    what, *verdicts = rest.rsplit(maxsplit=2)
    sent = packet(source, destination, what.strip(), family)
    expected = verdicts[(4, 6).index(family)] == "yes"
    policy = policy_of(appliance_with("", GADGET), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == expected
    assert site.passing([sent]) == [expected]


def test_the_laptop_goes_out_under_the_boxs_address(site: Crossing) -> None:
    [passed] = site.passed([packet("laptop", "outside", "tcp/443", 4)])
    assert passed is not None
    assert passed.source == HOSTS[4]["box"]
