from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Network

import pytest

from appliance.model import Appliance, Gadget, Interfaces, Profile
from firstboot.cable import BRIDGE, Segment, segments, unique_local
from firstboot.facts import OURS, Address, Facts

PORTS = {"ecm": "usb0", "rndis": "usb1"}
FACTS = Facts(serial="10000000deadbeef", gadget_ports=PORTS)


def gadget(network: str = "", **settings: object) -> Appliance:
    chosen = IPv4Interface(network) if network else None
    return Appliance(profile=Profile.GADGET, gadget=Gadget(network=chosen, **settings))  # type: ignore[arg-type]


def only(appliance: Appliance, facts: Facts) -> Segment:
    [segment] = segments(appliance, facts)
    return segment


def on(interface: str, network: str, protocol: int = 0) -> Facts:
    return replace(FACTS, addresses=(Address(interface, IPv4Interface(network), protocol),))


def test_bridged() -> None:
    segment = only(gadget("10.55.0.1/28"), FACTS)
    assert (segment.interface, segment.ports, str(segment.ipv4)) == (BRIDGE, ("usb0", "usb1"), "10.55.0.1/28")
    assert segment.ipv6.network.subnet_of(IPv6Network("fd00::/8")) and segment.ipv6.network.prefixlen == 64


def test_halves() -> None:
    first, second = segments(gadget("10.55.0.1/28", interfaces=Interfaces.SEPARATE), FACTS)
    assert [(s.interface, s.ports, str(s.ipv4)) for s in (first, second)] == [
        ("usb0", ("usb0",), "10.55.0.1/29"),
        ("usb1", ("usb1",), "10.55.0.9/29"),
    ]
    assert first.ipv6.network != second.ipv6.network


def test_halves_around_an_address_in_the_second() -> None:
    first, second = segments(gadget("10.55.0.14/28", interfaces=Interfaces.SEPARATE), FACTS)
    assert (str(first.ipv4), str(second.ipv4)) == ("10.55.0.1/29", "10.55.0.14/29")


def test_a_single_separate_interface_has_all_of_it() -> None:
    facts = replace(FACTS, gadget_ports={"rndis": "usb0"})
    assert str(only(gadget("10.55.0.1/30", interfaces=Interfaces.SEPARATE), facts).ipv4) == "10.55.0.1/30"


def test_auto_is_of_the_serial() -> None:
    mine, again = only(gadget(), FACTS), only(gadget(), replace(FACTS, addresses=()))
    others = only(gadget(), replace(FACTS, serial="10000000deadbeee"))
    assert mine == again and mine.ipv4.network.prefixlen == 28
    assert mine.ipv4.network != others.ipv4.network and mine.ipv6.network != others.ipv6.network


@pytest.mark.parametrize("length", [8, 24, 28, 30])
def test_auto_steps_aside(length: int) -> None:
    first = only(gadget(), FACTS).ipv4
    uplink = IPv4Interface((first.ip + 1, length))
    facts = on("wlan0", str(uplink))
    second = only(gadget(), facts).ipv4
    assert not second.network.overlaps(uplink.network)
    moved = replace(facts, addresses=(Address(BRIDGE, second, OURS),))
    assert only(gadget(), moved).ipv4 == second  # the uplink has gone, and it stays


def test_its_own_address_is_no_reason_to_step_aside() -> None:
    first = only(gadget(), FACTS).ipv4
    assert only(gadget(), on(BRIDGE, str(first), OURS)).ipv4 == first


def test_unique_local_addresses_are_as_the_standard_wants() -> None:
    prefix = unique_local("10000000deadbeef")
    assert prefix.prefixlen == 48 and prefix.subnet_of(IPv6Network("fd00::/8"))
