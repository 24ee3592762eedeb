"""Which interfaces have lost their default route to somebody."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from firstboot.facts import Address, Facts, Link, Route
from firstboot.lost_routes import PATIENCE_S, LostRoutes

ADDRESS = Address("eth0", IPv4Interface("10.0.2.15/24"))
ROUTE = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("10.0.2.2"), 100)
ROUTED = Facts(links={"eth0": Link("eth0", carrier=True)}, addresses=(ADDRESS,), routes=(ROUTE,))
WITHOUT = replace(ROUTED, routes=())


def test_one_that_was_there_is_lost_and_after_a_while_it_is_certain() -> None:
    lost = LostRoutes()
    assert lost.update(ROUTED, 0) == {}
    assert lost.update(WITHOUT, 1) == {"eth0": False}
    assert lost.update(WITHOUT, 1 + PATIENCE_S) == {"eth0": True}
    assert lost.update(ROUTED, 9) == {}
    assert lost.update(WITHOUT, 10) == {"eth0": False}


def test_a_network_without_a_router_never_had_one() -> None:
    lost = LostRoutes()
    assert lost.update(WITHOUT, 0) == lost.update(WITHOUT, 99) == {}


def test_who_takes_the_address_or_the_cable_knows_why() -> None:
    for quiet in (replace(WITHOUT, addresses=()), replace(WITHOUT, links={"eth0": Link("eth0")})):
        lost = LostRoutes()
        lost.update(ROUTED, 0)
        assert lost.update(quiet, 1) == {}
        assert lost.update(WITHOUT, 2) == {}, "it is set up anew, perhaps without a router"
