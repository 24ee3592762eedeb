"""Who may send what to whom through a gadget: its standard policy, against a table of verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from firstboot.policy.decision import decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import CABLE, GADGET, OUTSIDE, UNIQUE, Crossing, appliance_with, crossing
from tests.verdicts import Places, Row, asked, packet

pytestmark = pytest.mark.netns

WIRES = {"outside": OUTSIDE, "link": OUTSIDE, "laptop": CABLE, "box": ""}
PLACES = Places(
    hosts={
        4: {"outside": "198.51.100.7", "link": "203.0.113.9", "laptop": "10.55.0.2", "box": "203.0.113.5"},
        6: {
            "outside": "2001:db8:ffff::80",
            "link": "2001:db8:1::9",
            "laptop": str(UNIQUE[0x20]),
            "box": "2001:db8:1::5",
        },
    },
    wires={4: WIRES, 6: WIRES},
    neighbours={4: {"box": "203.0.113.5"}, 6: {"box": "2001:db8:1::5"}},
    lies={
        4: {"outside": "10.55.0.3", "laptop": "10.55.0.66"},
        6: {"outside": str(UNIQUE[0x66]), "laptop": "2001:db8:9::66"},
    },
)

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
