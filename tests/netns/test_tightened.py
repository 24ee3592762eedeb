"""A policy that allows less than before: what is known goes on, until somebody cuts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from firstboot.policy.decision import Packet
from tests.netns.crossing import LAN, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

INSIDE, OUTSIDE = "2001:db8:123d:abc::20", "2001:db8:ffff::80"
OPEN = f"\nfirewall:\n  allow_in: [{{to: '{INSIDE}', udp: 443}}]\n"
SHUT = "\nfirewall:\n  outbound: [udp/53]\n"
IN = Packet(ip_address(OUTSIDE), ip_address(INSIDE), "udp", TUNNEL, LAN, port=443, source_port=40001)
OUT = Packet(ip_address(INSIDE), ip_address(OUTSIDE), "udp", LAN, TUNNEL, port=4443, source_port=40002)


def answer(packet: Packet) -> Packet:
    return replace(
        packet,
        source=packet.destination,
        destination=packet.source,
        arriving=packet.leaving,
        leaving=packet.arriving,
        port=packet.source_port,
        source_port=packet.port,
    )


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        made.load(appliance_with(OPEN))
        assert passes(made, IN) and passes(made, answer(IN))
        assert passes(made, OUT) and passes(made, answer(OUT))
        yield made


def passes(site: Crossing, packet: Packet) -> bool:
    [passed] = site.passed_amid_connections([packet])
    return passed is not None


def cut(site: Crossing, *ends: str) -> None:
    site.router.program("conntrack", "-D", "-f", "ipv6", *ends)


def test_what_is_known_goes_on_until_it_is_cut(site: Crossing) -> None:
    site.load(appliance_with(SHUT))
    assert passes(site, IN) and passes(site, answer(IN))
    assert passes(site, OUT) and passes(site, answer(OUT))
    cut(site, "-s", INSIDE)
    cut(site, "-r", INSIDE)
    assert not any(passes(site, each) for each in (answer(IN), IN, OUT, answer(OUT)))


def test_what_the_inside_may_open_it_goes_on_with(site: Crossing) -> None:
    """To the box it is a connection of the inside's, whoever began it."""
    site.load(appliance_with(""))
    cut(site, "-r", INSIDE)
    assert not passes(site, IN)
    assert passes(site, answer(IN))
    assert passes(site, IN)
    rule = f"{{from: inside, to: outside, destination: '{OUTSIDE}', action: deny}}"
    site.load(appliance_with(f"\nfirewall: {{rules: [{rule}]}}\n"))
    cut(site, "-s", INSIDE)
    assert not any(passes(site, each) for each in (answer(IN), IN))
