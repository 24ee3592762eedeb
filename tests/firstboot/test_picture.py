"""The way to the Internet, drawn: which of its parts is broken."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from appliance.model import Appliance
from appliance.parse import parse_text
from firstboot.facts import Address, Facts, Link, Route
from firstboot.health.diagnosis import HEALTHY, NOT_KNOWN, Diagnosis, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.picture import Hop, Station, drawn, picture

GATEWAY = IPv4Address("192.168.1.254")
WELL = Facts(
    links={name: Link(name, up=True, carrier=True) for name in ("eth0", "eth1", "he-ipv6")},
    addresses=(Address("eth0", IPv4Interface("192.168.1.252/24")),),
    routes=(Route(IPv4Network("0.0.0.0/0"), "eth0", GATEWAY, 100),),
    healths=(Health(carries=True, diagnosis=HEALTHY),),
)
GOOD, BROKEN, UNKNOWN, UNWATCHED = Hop.GOOD, Hop.BROKEN, Hop.UNKNOWN, Hop.UNWATCHED
ANSWERS = Evidence(address=IPv4Address("192.168.1.252"), has_route=True, has_tunnel=True, far_end=False, beyond=False)
DIAGNOSES = {
    "well": (HEALTHY, [GOOD, GOOD, GOOD, GOOD]),
    "not known yet": (NOT_KNOWN, [GOOD, GOOD, UNKNOWN, UNKNOWN]),
    "the router is silent": (diagnosis(replace(ANSWERS, next_hop=False)), [GOOD, BROKEN, UNKNOWN, UNKNOWN]),
    "the server is silent": (diagnosis(replace(ANSWERS, server=False)), [GOOD, GOOD, BROKEN, UNKNOWN]),
    "protocol 41 is blocked": (diagnosis(replace(ANSWERS, server=True)), [GOOD, GOOD, BROKEN, UNKNOWN]),
    "dead beyond": (diagnosis(Evidence(far_end=True, beyond=False)), [GOOD, GOOD, GOOD, BROKEN]),
    "small packets alone": (
        diagnosis(Evidence(far_end=True, beyond=True, full=1480, largest=1200)),
        [GOOD, GOOD, BROKEN, UNKNOWN],
    ),
    "smaller packets": (
        diagnosis(Evidence(far_end=True, beyond=True, full=1480, largest=1380)),
        [GOOD, GOOD, GOOD, GOOD],
    ),
    "answers again": (
        diagnosis(Evidence(far_end=True, beyond=True, recovering=True)),
        [GOOD, GOOD, GOOD, GOOD],
    ),
}


def hops(stations: list[Station]) -> list[Hop | None]:
    return [station.hop for station in stations[1:]]


@pytest.mark.parametrize("case", DIAGNOSES)
def test_it_is_broken_where_the_tunnels_health_says(gateway: Appliance, case: str) -> None:
    found, expected = DIAGNOSES[case]
    stations = [*picture(gateway, replace(WELL, healths=(Health(found.works, found),)), "ipv6gw")]
    assert hops(stations) == expected
    assert [station.name for station in stations] == ["LAN", "ipv6gw", "router", "tunnel", "IPv6 Internet"]


NO_UPLINK = diagnosis(Evidence(far_end=False, beyond=False))


@pytest.mark.parametrize(("found", "hop"), [(NOT_KNOWN, UNKNOWN), (NO_UPLINK, BROKEN)], ids=["at first", "later"])
def test_a_router_that_nobody_has_told_of_yet(gateway: Appliance, found: Diagnosis, hop: Hop) -> None:
    """The first seconds of a boot are no fault; when nothing has come through the tunnel for some, they are."""
    unanswered = replace(WELL, addresses=(), routes=(), healths=(Health(diagnosis=found),))
    assert hops([*picture(gateway, unanswered, "ipv6gw")]) == [GOOD, hop, UNKNOWN, UNKNOWN]


def test_without_a_cable_to_the_router_nobody_knows_what_is_beyond(gateway: Appliance) -> None:
    links = {**WELL.links, "eth0": Link("eth0", up=True)}
    [lan, pi, router, *beyond] = picture(gateway, replace(WELL, links=links), "ipv6gw")
    assert (lan.detail, pi.hop, router.hop) == ("eth0", BROKEN, BROKEN)
    assert hops([pi, *beyond]) == [UNKNOWN, UNKNOWN]


def test_before_anybody_has_looked_there_is_none(gateway: Appliance) -> None:
    assert picture(gateway, Facts(), "ipv6gw") == ()
    assert drawn(()) == []


def test_where_nobody_is_served_there_is_none() -> None:
    custom = parse_text(b"profile: custom\n", "appliance.yaml").appliance
    assert picture(custom, WELL, "pi") == ()


GADGET = """\
profile: gadget
ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop]}
uplink: {interface: eth0}
gadget: {share: SHARE}
"""
ON_THE_CABLE = replace(
    WELL,
    links={name: Link(name, up=True, carrier=True) for name in ("eth0", "br-usb")},
    neighbours={("eth0", GATEWAY): True},
)


def gadget(share: str) -> Appliance:
    return parse_text(GADGET.replace("SHARE", share).encode(), "appliance.yaml").appliance


def test_a_laptop_that_is_given_a_way_out() -> None:
    stations = [*picture(gadget("route"), ON_THE_CABLE, "pi")]
    assert [(station.name, station.detail) for station in stations] == [
        ("laptop", "br-usb"),
        ("pi", ""),
        ("router", str(GATEWAY)),
        ("Internet", ""),
    ]
    assert hops(stations) == [GOOD, GOOD, UNWATCHED]
    silent = replace(ON_THE_CABLE, neighbours={("eth0", GATEWAY): False})
    assert hops([*picture(gadget("route"), silent, "pi")]) == [GOOD, BROKEN, UNWATCHED]
    unasked = replace(ON_THE_CABLE, neighbours={})
    assert hops([*picture(gadget("route"), unasked, "pi")]) == [GOOD, UNKNOWN, UNWATCHED]


def test_a_laptop_that_reaches_the_pi_alone_and_one_that_is_its_way_out() -> None:
    assert [station.name for station in picture(gadget("local"), ON_THE_CABLE, "pi")] == ["laptop", "pi"]
    stations = [*picture(gadget("host"), ON_THE_CABLE, "pi")]
    assert [station.name for station in stations] == ["pi", "laptop", "Internet"]
    assert hops(stations) == [GOOD, UNWATCHED]


def test_it_is_drawn_in_two_lines_of_ascii(gateway: Appliance) -> None:
    blocked: Diagnosis = DIAGNOSES["protocol 41 is blocked"][0]
    lines = drawn(picture(gateway, replace(WELL, healths=(Health(False, blocked),)), "ipv6gw"))
    assert lines == [
        "LAN  --- ipv6gw ---     router    -X-     tunnel     -?- IPv6 Internet",
        "eth0                192.168.1.254     198.51.100.100",
    ]
    assert all(line.isascii() and len(line) <= 80 for line in lines)
