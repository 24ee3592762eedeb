"""Who gives whom the Internet over the cable: decided from the configuration and the facts alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from appliance.model import Appliance, Gadget, Interfaces, Profile, Share, Tunnel, Uplink
from firstboot.cable import BRIDGE, Segment, segments
from firstboot.facts import Address, Facts, Link, Route
from firstboot.forwarding import Path, paths
from firstboot.health.diagnosis import Health
from firstboot.policy.policy import policy_of
from firstboot.rendered import ufw
from firstboot.served import ranges_around, served, served_at_boot
from firstboot.sharing import (
    HOST_GATEWAYS,
    NOBODY,
    Mode,
    Question,
    exits_of,
    mode_on,
    overlapping,
    questions,
    uplink_works,
)

GATEWAY = IPv4Address("192.168.1.254")
DEFAULT = Route(IPv4Network("0.0.0.0/0"), "wlan0", GATEWAY, 600)
GATEWAY6 = IPv6Address("fe80::fe")
DEFAULT6 = Route(IPv6Network("::/0"), "wlan0", GATEWAY6, 600)
ADDRESS = Address("wlan0", IPv4Interface("192.168.1.77/24"))
ADDRESS6 = Address("wlan0", IPv6Interface("2001:db8:1::77/64"))
LIVING = Facts(
    links={name: Link(name, up=True, carrier=True) for name in ("wlan0", "usb0", BRIDGE)},
    addresses=(ADDRESS, ADDRESS6),
    routes=(DEFAULT, DEFAULT6),
    serial="10000000deadbeef",
    gadget_ports={"ecm": "usb0", "rndis": "usb1"},
    neighbours={("wlan0", GATEWAY): True, ("wlan0", GATEWAY6): True},
)
ROUTER = Question("wlan0", IPv4Address("192.168.1.77"), (GATEWAY, GATEWAY6))
UPLINK = Uplink(interface="wlan0")
TUNNEL = Tunnel(
    server=IPv4Address("198.51.100.100"),
    address=IPv6Interface("2001:db8:123c:abd::2/64"),
    routed=IPv6Network("2001:db8:123d:abc::/64"),
)


def gadget(share: Share, uplink: Uplink | None = UPLINK, **settings: object) -> Appliance:
    cable = Gadget(network=IPv4Interface("10.55.0.1/28"), share=share, **settings)  # type: ignore[arg-type]
    return Appliance(profile=Profile.GADGET, uplink=uplink, gadget=cable)


def cable(appliance: Appliance, facts: Facts = LIVING) -> Segment:
    return segments(appliance, facts)[0]


def sharing(host: IPv4Address) -> Facts:
    return replace(LIVING, neighbours={**LIVING.neighbours, (BRIDGE, host): True})


@pytest.mark.parametrize(
    ("share", "facts", "mode"),
    [
        (Share.ROUTE, LIVING, Mode.ROUTE),
        (Share.ROUTE, Facts(), Mode.ROUTE),
        (Share.LOCAL, LIVING, Mode.LOCAL),
        (Share.HOST, LIVING, Mode.HOST),
        (Share.AUTO, LIVING, Mode.ROUTE),
        (Share.AUTO, Facts(), Mode.ROUTE),
        *((Share.AUTO, sharing(host), Mode.HOST) for host in HOST_GATEWAYS),
        *((share, sharing(HOST_GATEWAYS[0]), Mode(share)) for share in (Share.ROUTE, Share.LOCAL)),
    ],
)
def test_the_mode(share: Share, facts: Facts, mode: Mode) -> None:
    appliance = gadget(share)
    assert mode_on(cable(appliance), appliance, facts) is mode


@pytest.mark.parametrize("share", [Share.ROUTE, Share.AUTO])
def test_without_an_uplink_there_is_nothing_to_share(share: Share) -> None:
    appliance = gadget(share, uplink=None)
    assert mode_on(cable(appliance), appliance, LIVING) is Mode.LOCAL
    assert [network.router for network in served(appliance, LIVING) or ()] == [None]
    assert not paths(appliance, LIVING, 4)


@pytest.mark.parametrize(
    ("lacking", "works"),
    [
        ({}, True),
        ({"neighbours": {("wlan0", GATEWAY): False}}, False),
        ({"neighbours": {}}, None),
        ({"neighbours": {("eth0", GATEWAY): True}}, None),
        ({"routes": ()}, False),
        ({"routes": (replace(DEFAULT, table=100),)}, False),
        ({"routes": (replace(DEFAULT, interface="eth0"),)}, False),
        ({"addresses": ()}, False),
        ({"links": {}}, False),
        ({"links": {"wlan0": Link("wlan0", up=True, carrier=False)}}, True),
        ({"addresses": (Address("wlan0", IPv4Interface("10.55.0.9/24")),)}, False),
    ],
)
def test_the_uplink_works(lacking: dict[str, object], works: bool | None) -> None:
    facts = replace(LIVING, **lacking)  # type: ignore[arg-type]
    assert uplink_works(gadget(Share.ROUTE), facts, 4) is works


@pytest.mark.parametrize(
    ("facts", "works"),
    [
        (replace(LIVING, routes=(DEFAULT,)), False),
        (replace(LIVING, routes=(DEFAULT6,), neighbours={}), None),
        (replace(LIVING, routes=(DEFAULT6,), neighbours={("wlan0", GATEWAY6): True}, addresses=(ADDRESS6,)), True),
        (replace(LIVING, addresses=(ADDRESS,)), False),
        (replace(LIVING, addresses=(Address("wlan0", IPv6Interface("fd00::77/64")),)), False),
        (replace(LIVING, addresses=(Address("wlan0", IPv6Interface("fe80::77/64")),)), False),
        (replace(LIVING, addresses=(Address(BRIDGE, IPv6Interface("2001:db8:f00::1/64")),)), True),
        (replace(LIVING, routes=(DEFAULT, DEFAULT6), neighbours={("wlan0", GATEWAY6): False}), False),
        (replace(LIVING, routes=(replace(DEFAULT6, gateway=None),), neighbours={}), True),
    ],
)
def test_ipv6_works_by_itself(facts: Facts, works: bool | None) -> None:
    """Without IPv4, and not although IPv4 does; a line without a router is taken to; a lent address suffices."""
    assert uplink_works(gadget(Share.ROUTE), facts, 6) is works


def test_a_tunnel_works_as_far_as_ipv4_does_and_it_carries() -> None:
    appliance = replace(gadget(Share.ROUTE), tunnel=TUNNEL)
    routes = (DEFAULT, Route(DEFAULT6.destination, "he-ipv6"))
    through = replace(LIVING, routes=routes, healths=(Health(carries=True),))
    assert uplink_works(appliance, through, 6) is True
    assert uplink_works(appliance, replace(through, healths=(Health(carries=False),)), 6) is False
    assert uplink_works(appliance, replace(through, neighbours={}), 6) is None
    assert uplink_works(appliance, replace(LIVING, healths=(Health(carries=True),)), 6) is False
    assert uplink_works(appliance, replace(through, neighbours={("wlan0", GATEWAY): False}), 6) is False


def test_routers_of_both_families_are_asked_at_once() -> None:
    """One that dies takes both away, and the laptop is told once."""
    both = replace(LIVING, routes=(DEFAULT, DEFAULT6))
    assert questions(gadget(Share.ROUTE), both) == [ROUTER]
    only6 = replace(both, addresses=(ADDRESS6,))
    assert questions(gadget(Share.ROUTE), only6) == [Question("wlan0", NOBODY, (GATEWAY6,))]


def test_an_uplink_of_one_family_is_shared_in_that() -> None:
    only6 = replace(LIVING, routes=(DEFAULT6,), neighbours={("wlan0", GATEWAY6): True})
    [network] = served(gadget(Share.ROUTE), only6) or ()
    assert (network.router, network.dns, network.router_lifetime_s > 0) == (None, True, True)
    dead6 = replace(LIVING, routes=(DEFAULT, DEFAULT6), neighbours={**LIVING.neighbours, ("wlan0", GATEWAY6): False})
    [network] = served(gadget(Share.ROUTE), dead6) or ()
    assert (network.router, network.dns, network.router_lifetime_s) == (IPv4Address("10.55.0.1"), True, 0)


def test_the_best_default_route_counts() -> None:
    other = replace(DEFAULT, gateway=IPv4Address("192.168.1.1"), metric=100)
    facts = replace(LIVING, routes=(DEFAULT, other))
    assert uplink_works(gadget(Share.ROUTE), facts, 4) is None
    assert questions(gadget(Share.ROUTE), facts)[0].targets == (other.gateway,)


def test_only_what_decides_is_asked_and_only_while_somebody_is_there() -> None:
    hosts = Question(BRIDGE, NOBODY, HOST_GATEWAYS, serving=True)
    assert questions(gadget(Share.ROUTE), LIVING) == [ROUTER]
    assert questions(gadget(Share.AUTO), LIVING) == [ROUTER, hosts]
    assert questions(gadget(Share.AUTO, uplink=None), LIVING) == [hosts]
    assert not questions(gadget(Share.LOCAL), LIVING)
    assert not questions(gadget(Share.HOST), LIVING)
    unplugged = replace(LIVING, links={**LIVING.links, BRIDGE: Link(BRIDGE, up=True, carrier=False)})
    assert not questions(gadget(Share.AUTO), unplugged)


def test_what_is_offered_while_the_uplink_works() -> None:
    [network] = served(gadget(Share.ROUTE), LIVING) or ()
    assert (network.router, network.dns, network.router_lifetime_s > 0) == (IPv4Address("10.55.0.1"), True, True)
    [network] = served(gadget(Share.ROUTE), replace(LIVING, routes=(DEFAULT,))) or ()
    assert (network.router, network.router_lifetime_s) == (IPv4Address("10.55.0.1"), 0), "no IPv6 to be had"


@pytest.mark.parametrize("known", [LIVING, replace(LIVING, neighbours={})])
def test_nothing_is_offered_at_boot(known: Facts) -> None:
    [network] = served_at_boot(gadget(Share.ROUTE), known)
    assert (network.router, network.dns, network.router_lifetime_s) == (None, False, 0)
    assert network.ranges, "the Pi is there all the same"


def test_while_nothing_is_known_nothing_is_decided() -> None:
    assert served(gadget(Share.ROUTE), replace(LIVING, neighbours={})) is None
    assert served(gadget(Share.LOCAL), replace(LIVING, neighbours={})) is not None
    assert served(gadget(Share.HOST), replace(LIVING, neighbours={})) == ()


def test_an_overlap_with_the_uplink_is_told_from_none() -> None:
    facts = replace(LIVING, addresses=(Address("wlan0", IPv4Interface("10.55.0.9/24")),))
    assert overlapping(gadget(Share.ROUTE), facts) == IPv4Network("10.55.0.0/24")
    assert overlapping(gadget(Share.ROUTE), LIVING) is None


def test_the_ways_out() -> None:
    appliance = gadget(Share.ROUTE)
    unique = cable(appliance).ipv6.network
    assert paths(appliance, LIVING, 4) == (Path(BRIDGE, IPv4Network("10.55.0.0/28"), True),)
    assert paths(appliance, LIVING, 6) == (Path(BRIDGE, unique, True),)
    for share in (Share.LOCAL, Share.HOST):
        assert not paths(gadget(share), LIVING, 4) and not paths(gadget(share), LIVING, 6)


def test_the_tunnels_prefix_is_routed_and_only_the_unique_local_one_translated() -> None:
    appliance = replace(gadget(Share.ROUTE), tunnel=TUNNEL)
    found = {str(path.network): path.translated for path in paths(appliance, LIVING, 6)}
    assert found == {str(cable(appliance).ipv6.network): True, "2001:db8:123d:abc::/64": False}
    assert exits_of(appliance, 6) == ("he-ipv6",)


def test_separate_networks_have_ways_out_and_none_to_each_other() -> None:
    found = paths(gadget(Share.ROUTE, interfaces=Interfaces.SEPARATE), LIVING, 4)
    assert [path.interface for path in found] == ["usb0", "usb1"]


@pytest.mark.parametrize(
    ("own", "ranges"),
    [
        ("10.55.0.1/28", ["10.55.0.2-10.55.0.14"]),
        ("10.55.0.14/28", ["10.55.0.1-10.55.0.13"]),
        ("10.55.0.5/28", ["10.55.0.1-10.55.0.4", "10.55.0.6-10.55.0.14"]),
        ("10.55.0.1/30", ["10.55.0.2-10.55.0.2"]),
    ],
)
def test_the_laptop_gets_any_address_but_ours(own: str, ranges: list[str]) -> None:
    assert [str(found) for found in ranges_around(IPv4Interface(own))] == ranges


def test_what_the_firewall_has_at_boot_serves_the_laptop() -> None:
    """Whatever the laptop did when the Pi lost its power."""
    appliance = gadget(Share.AUTO)
    shared = sharing(HOST_GATEWAYS[0])
    assert ufw.files(appliance, shared) == ufw.files(appliance, LIVING)
    assert policy_of(appliance, shared) != policy_of(appliance, LIVING), "now they differ"
