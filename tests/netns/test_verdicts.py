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
from firstboot.policy.rules import Action, State
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing
from tests.netns.packets import Crafted

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443, udp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443, udp: 443}
"""
HOSTS = {
    4: {"outside": "203.0.113.9", "inside": "192.168.2.20", "box": "203.0.113.5", "broker": "198.51.100.100"},
    6: {"outside": "2001:db8:ffff::80", "inside": "2001:db8:123d:abc::20", "box": "2001:db8:123c:abd::2"},
}
NEIGHBOURS = {
    4: {"outside": "203.0.113.10", "inside": "192.168.2.21", "box": "192.168.2.1"},
    6: {"outside": "2001:db8:eeee::7", "inside": "2001:db8:123d:abc::21", "box": "2001:db8:123d:abc::1"},
}
"""Who is sent something by somebody of the same zone."""
WIRES = {
    4: {"outside": OUTSIDE, "inside": LAN, "box": "", "broker": OUTSIDE},
    6: {"outside": TUNNEL, "inside": LAN, "box": ""},
}
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
outside  box      echo-reply              no     no
outside  box      unreachable             no     no
outside  box      time-exceeded           no     no
outside  box      redirect                no     no
outside  box      timestamp               no     -
outside  box      router-advertisement    no     no
outside  box      lying tcp/22            no     no
outside  box      lying udp/443           no     no
outside  box      lying echo              no     no
outside  box      amid tcp/22             no     no
outside  box      amid tcp/443            no     no
outside  box      accepting tcp/50000     no     no
outside  box      resetting tcp/443       no     no
outside  box      null tcp/443            no     no
outside  box      all-flags tcp/443       no     no
outside  box      syn-fin tcp/443         no     no
outside  box      answering udp/50000     no     no
outside  box      corrupt udp/443         no     no
outside  box      fragmented udp/443      yes    no
outside  box      fragmented udp/53       no     no
outside  box      fragmented tcp/443      yes    no
outside  box      fragmented tcp/22       no     no
outside  box      fragmented echo         yes    yes
outside  box      optional tcp/22         -      no
outside  box      41                      no     no
outside  box      47                      no     no
outside  box      50                      no     no
outside  inside   tcp/443                 yes    yes
outside  inside   tcp/22                  no     no
outside  inside   udp/443                 yes    yes
outside  inside   udp/53                  no     no
outside  inside   echo                    no     yes
outside  inside   echo-reply              no     no
outside  inside   unreachable             no     no
outside  inside   time-exceeded           no     no
outside  inside   redirect                no     no
outside  inside   timestamp               no     -
outside  inside   lying tcp/443           no     no
outside  inside   amid tcp/443            no     no
outside  inside   accepting tcp/50000     no     no
outside  inside   resetting tcp/443       no     no
outside  inside   answering udp/50000     no     no
outside  inside   fragmented udp/443      yes    yes
outside  inside   fragmented udp/53       no     no
outside  inside   fragmented tcp/443      yes    yes
outside  inside   fragmented tcp/22       no     no
outside  inside   optional tcp/443        -      yes
outside  inside   optional tcp/22         -      no
outside  inside   41                      no     no
outside  inside   50                      no     no
outside  outside  tcp/443                 no     no
outside  outside  echo                    no     no
broker   box      41                      yes    -
broker   box      fragmented 41           yes    -
broker   box      tcp/22                  no     -
broker   box      47                      no     -
broker   inside   41                      no     -
inside   box      tcp/22                  yes    yes
inside   box      tcp/53                  yes    yes
inside   box      tcp/8080                no     no
inside   box      udp/53                  yes    yes
inside   box      udp/514                 no     no
inside   box      echo                    yes    yes
inside   box      unreachable             no     no
inside   box      timestamp               no     -
inside   box      lying tcp/22            no     no
inside   box      amid tcp/8080           no     no
inside   box      resetting tcp/22        no     no
inside   box      fragmented udp/53       yes    yes
inside   box      fragmented udp/514      no     no
inside   box      41                      no     no
inside   box      as-broker 41            no     -
inside   inside   tcp/443                 no     no
inside   outside  tcp/443                 yes    yes
inside   outside  udp/53                  yes    yes
inside   outside  echo                    yes    yes
inside   outside  unreachable             no     no
inside   outside  amid tcp/443            yes    yes
inside   outside  accepting tcp/443       no     no
inside   outside  resetting tcp/443       no     no
inside   outside  answering udp/50000     yes    yes
inside   outside  fragmented udp/443      yes    yes
inside   outside  41                      yes    yes
inside   outside  lying tcp/443           no     no
inside   outside  lying udp/53            no     no
inside   outside  lying echo              no     no
inside   outside  lying 41                no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      outside  unreachable             yes    yes
box      outside  amid tcp/443            yes    yes
box      outside  resetting tcp/443       yes    yes
box      outside  fragmented udp/443      yes    yes
box      broker   41                      yes    -
box      inside   tcp/80                  yes    yes
box      inside   udp/68                  yes    yes
box      inside   echo                    yes    yes
box      box      tcp/22                  yes    yes
box      box      udp/53                  yes    yes
box      box      echo                    yes    yes
"""
"""`lying`: from an address that is elsewhere, `as-broker`: from the broker's; the manners of TCP are about a connection
that nobody knows. Port 443 of the box's IPv4 address is the machine's inside. An answer about no connection is none.
"""
ROWS = [line.split(maxsplit=2) for line in TABLE.splitlines()[2:]]
TYPES = {
    "echo": (8, 128),
    "echo-reply": (0, 129),
    "unreachable": (3, 1),
    "time-exceeded": (11, 3),
    "redirect": (5, 137),
    "timestamp": (13, 0),
    "router-advertisement": (9, 134),
}
FLAGS = {"accepting": 0x12, "resetting": 0x04, "null": 0x00, "all-flags": 0xFF, "syn-fin": 0x03}
"""Of TCP; no connection begins like that."""
UNASKED: dict[int, tuple[str, ...]] = {6: ("echo-reply", "unreachable", "time-exceeded")}
UNASKED[4] = (*UNASKED[6], "redirect", "router-advertisement")
INVALID = {*FLAGS, "corrupt", *((name, family) for family, names in UNASKED.items() for name in names)}
"""What connection tracking takes for that: the manner in which it is sent, or what it is, and of which family."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        made.load(appliance_with(FIREWALL))
        yield made


def packet(source: str, destination: str, what: str, family: int) -> Crafted:
    *manner, name = what.split()
    [how] = manner or [""]
    there = NEIGHBOURS if source == destination else HOSTS
    protocol, _, port = name.partition("/")
    kind = TYPES[name][(4, 6).index(family)] if name in TYPES else 0
    sources = {"lying": LIES[family].get(source), "as-broker": HOSTS[4]["broker"]}
    return Crafted(
        source=ip_address(sources.get(how) or HOSTS[family][source]),
        destination=ip_address(there[family][destination]),
        protocol="icmp" if name in TYPES else protocol,
        arriving=WIRES[family][source],
        leaving=WIRES[family][destination] or ("lo" if source == "box" else ""),
        port=int(port or 0),
        source_port=443 if how == "answering" else 0,
        type=kind,
        state=State.INVALID if how in INVALID or (name, family) in INVALID else State.ANY,
        opening=how not in ("amid", *FLAGS),
        flags=FLAGS.get(how),
        pieces=((0, 24), (24, 100)) if how == "fragmented" else (),
        optional=how == "optional",
        corrupt=how == "corrupt",
        size=56,
    )


def of_family(family: int) -> Iterator[Crafted]:
    for source, destination, rest in ROWS:
        what, *verdicts = rest.rsplit(maxsplit=2)
        if verdicts[(4, 6).index(family)] != "-":
            yield packet(source, destination, what.strip(), family)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row) for row in ROWS])
def test_who_may_send_what_to_whom(site: Crossing, row: list[str], family: int) -> None:
    source, destination, rest = row
    what, *verdicts = rest.rsplit(maxsplit=2)
    verdict = verdicts[(4, 6).index(family)]
    if verdict == "-":
        pytest.skip("there is none in this family")
    sent = packet(source, destination, what.strip(), family)
    policy = policy_of(appliance_with(FIREWALL), site.facts)
    assert (decide(policy, sent).action is Action.ALLOW) == (verdict == "yes")
    assert site.passing([sent]) == [verdict == "yes"]


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
    sent = [packet("outside", target, service, family) for service in services]
    pretended = [replace(each, source=ip_address(source)) for each in sent for source in NOBODYS[family]]
    assert [each for each, has in zip(pretended, site.passing(pretended), strict=True) if has] == []
    assert any(site.passing(sent))


@pytest.mark.parametrize("service", ["tcp/22", "tcp/53", "udp/53", "lying udp/443"])
def test_the_boxs_own_outer_address_is_nobody_special(site: Crossing, service: str) -> None:
    """IPv6 believes that somebody else may have it."""
    own = replace(packet("outside", "box", service, 6), source=ip_address(HOSTS[6]["box"]))
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
    sent = [replace(packet(*ends, service, family), pieces=pieces) for service in ("udp/443", "tcp/443")]
    assert site.passing(sent) == [False, False]


@pytest.mark.parametrize("order", [[(0, 24), (24, 100)], [(24, 100), (0, 24)]], ids=["in order", "last first"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_shut_port_does_not_hide_in_fragments(site: Crossing, family: int, order: list[tuple[int, int]]) -> None:
    services = {"tcp/22": False, "udp/53": False, "tcp/443": True, "udp/443": True}
    sent = [replace(packet("outside", "inside", service, family), pieces=order) for service in services]
    assert site.passing(sent) == list(services.values())


def test_a_header_of_tcp_is_not_divided(site: Crossing) -> None:
    """By IPv4 it is put together before it is looked at; IPv6 forbids it (RFC 8200, 4.5)."""
    for family in (4, 6):
        sent = [packet("outside", "inside", service, family) for service in ("tcp/22", "tcp/443")]
        divided = [replace(each, pieces=[(0, 8), (8, 100)]) for each in sent]
        assert site.passing(divided) == [False, family == 4]


@pytest.mark.usefixtures("site")
def test_without_the_rules_all_of_it_passes(tmp_path: Path) -> None:
    """So that it is the rules which decide above, and not the wires."""
    with crossing(tmp_path) as bare:
        for family in (4, 6):
            sent = list(of_family(family))
            assert [each for each, passed in zip(sent, bare.passing(sent), strict=True) if not passed] == []
