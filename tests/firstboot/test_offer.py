"""Whoever looks at the status learns whether the laptop has a way out, and why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance, Gadget, Profile, Share, Uplink, Wifi
from firstboot.cable import BRIDGE
from firstboot.facts import Address, Facts, Gateway, Link, Route
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler, State
from firstboot.resources.cable import offered
from firstboot.resources.offer import Offer
from firstboot.sharing import HOST_GATEWAYS, Mode, Offered
from tests.firstboot.memory import MemoryMachine
from tests.firstboot.test_sharing import DEFAULT, DEFAULT6, GATEWAY, GATEWAY6, LIVING, TUNNEL, gadget

NO_WAY_OUT = "the laptop is given no way out"
SILENT = f"the router {GATEWAY} does not answer: {NO_WAY_OUT}"
WIRELESS = Uplink(interface="wlan0", wifi=Wifi(ssid="Home", passphrase="correct horse", country="NO"))
FIXED = Uplink(interface="eth0", address=IPv4Interface("192.168.1.252/24"), gateway=GATEWAY)


def answering(**answers: bool) -> Facts:
    """The uplink's routers (`ipv4`, `ipv6`) answer or do not, as far as it is known."""
    routers: Mapping[str, Gateway] = {"ipv4": GATEWAY, "ipv6": GATEWAY6}
    return replace(LIVING, neighbours={("wlan0", routers[name]): here for name, here in answers.items()})


def said(appliance: Appliance, facts: Facts) -> str:
    try:
        Offer().desired(appliance, facts)
    except TemporaryError as error:
        return error.message
    return ""


@pytest.mark.parametrize("share", [Share.ROUTE, Share.AUTO])
def test_a_silent_router_is_said(share: Share) -> None:
    assert said(gadget(share), answering(ipv4=False, ipv6=False)) == SILENT
    assert said(gadget(share), replace(answering(ipv4=False), routes=(DEFAULT,))) == SILENT
    assert said(gadget(share), LIVING) == ""


def test_of_one_family_it_is_said_which_is_missing() -> None:
    assert said(gadget(Share.ROUTE), answering(ipv4=False, ipv6=True)) == f"{SILENT} for IPv4"
    six = f"the router {GATEWAY6} does not answer: {NO_WAY_OUT} for IPv6"
    assert said(gadget(Share.ROUTE), answering(ipv4=True, ipv6=False)) == six
    assert said(gadget(Share.ROUTE), replace(answering(ipv4=True), routes=(DEFAULT,))) == "", "a home without IPv6"


@pytest.mark.parametrize("answers", [{}, {"ipv4": False}, {"ipv6": False}])
def test_what_is_not_known_yet_is_not_said(answers: dict[str, bool]) -> None:
    """Or the state would flap whenever somebody is asked anew."""
    assert said(gadget(Share.ROUTE), answering(**answers)) == ""


def test_where_no_way_out_is_wanted_none_is_missed() -> None:
    silent = answering(ipv4=False, ipv6=False)
    for share in (Share.LOCAL, Share.HOST):
        assert said(gadget(share), silent) == ""
    assert said(gadget(Share.ROUTE, uplink=None), silent) == ""
    shared = replace(silent, neighbours={**silent.neighbours, (BRIDGE, HOST_GATEWAYS[0]): True})
    assert said(gadget(Share.AUTO), shared) == "", "the laptop is the way out"
    assert said(gadget(Share.ROUTE), shared) == SILENT


def test_with_nobody_on_the_cable_nobody_misses_anything() -> None:
    silent = answering(ipv4=False, ipv6=False)
    unplugged = replace(silent, links={**silent.links, BRIDGE: Link(BRIDGE, up=True)})
    assert said(gadget(Share.ROUTE), unplugged) == ""


def test_without_an_address_or_a_route_that_is_said() -> None:
    no_route = replace(LIVING, routes=(), neighbours={})
    assert said(gadget(Share.ROUTE), no_route) == f"wlan0 has an address, but no default route: {NO_WAY_OUT}"
    no_address = replace(no_route, addresses=())
    assert said(gadget(Share.ROUTE), no_address) == f"wlan0 has no IPv4 address yet: {NO_WAY_OUT}"


def test_what_other_kinds_say_is_not_said_again() -> None:
    silent = answering(ipv4=False, ipv6=False)
    for links in ({}, {"wlan0": Link("wlan0", up=True)}):
        uplinkless = replace(silent, links={BRIDGE: LIVING.links[BRIDGE], **links})
        assert said(gadget(Share.ROUTE), uplinkless) == "", "`uplink` or `wifi` does"
    overlap = replace(silent, addresses=(Address("wlan0", IPv4Interface("10.55.0.9/24")),))
    assert said(gadget(Share.ROUTE), overlap) == "", "`overlap` does"
    assert said(gadget(Share.ROUTE, WIRELESS), Facts(links=LIVING.links)) == "", "`wifi` does"
    tunnelled = replace(gadget(Share.ROUTE), tunnel=TUNNEL)
    assert said(tunnelled, Facts(links=LIVING.links)) == "", "`tunnel` does"
    fixed = gadget(Share.ROUTE, replace(FIXED, interface="wlan0"))
    assert said(fixed, replace(LIVING, routes=(), neighbours={})) == "", "`routes` does"


def test_a_tunnels_way_out_is_that_of_ipv4() -> None:
    tunnelled = replace(gadget(Share.ROUTE), tunnel=TUNNEL)
    routes = (*LIVING.routes, Route(DEFAULT6.destination, "he-ipv6"))
    assert said(tunnelled, replace(answering(ipv4=False, ipv6=True), routes=routes)) == SILENT
    assert said(tunnelled, replace(answering(ipv4=True, ipv6=False), routes=routes)) == ""


def plugged_in() -> MemoryMachine:
    """A Pi with a laptop on its cable, and a router that answers."""
    made = MemoryMachine()
    made.device_controllers = ["fe980000.usb"]
    made.routes = [replace(DEFAULT, interface="eth0")]
    made.neighbours = {("eth0", GATEWAY): True}
    return made


def routed(share: Share = Share.ROUTE) -> Appliance:
    cable = Gadget(network=IPv4Interface("10.55.0.1/28"), share=share)
    return Appliance(profile=Profile.GADGET, uplink=FIXED, gadget=cable)


def test_the_daemon_waits_for_a_silent_router_and_does_not_try_again() -> None:
    """It is woken when the router answers: until then, a pass would find the same."""
    machine, appliance = plugged_in(), routed()
    reconciler = Reconciler(KINDS, sleep=lambda _: None)
    for _ in range(2):
        reconciler.reconcile(appliance, machine)
    machine.links[BRIDGE] = replace(machine.links[BRIDGE], carrier=True)
    assert {outcome.state for outcome in reconciler.reconcile(appliance, machine)} == {State.OK}

    machine.neighbours = {("eth0", GATEWAY): False}
    reconciler.reconcile(appliance, machine)
    machine.log.clear()
    outcomes = reconciler.reconcile(appliance, machine)
    [silent] = [outcome for outcome in outcomes if outcome.state is not State.OK]
    assert (silent.kind, silent.state, silent.error) == ("offer", State.WAITING, SILENT)
    assert "uplink.gateway" in silent.hint
    assert machine.log == []
    assert reconciler.is_settled(outcomes)

    machine.links["eth0"] = replace(machine.links["eth0"], carrier=False)
    assert not reconciler.is_settled(reconciler.reconcile(appliance, machine)), "what is no remark is tried again"


def test_what_is_offered_is_what_dnsmasq_has_loaded() -> None:
    machine, reconciler = plugged_in(), Reconciler(KINDS, sleep=lambda _: None)
    assert offered(routed(), machine) == [Offered(BRIDGE, Mode.ROUTE)], "dnsmasq has not started yet"
    reconciler.reconcile(routed(), machine)
    assert offered(routed(), machine) == [Offered(BRIDGE, Mode.ROUTE, (4,))]
    machine.neighbours = {("eth0", GATEWAY): False}
    assert offered(routed(), machine) == [Offered(BRIDGE, Mode.ROUTE, (4,))], "it is still to be withdrawn"
    reconciler.reconcile(routed(), machine)
    assert offered(routed(), machine) == [Offered(BRIDGE, Mode.ROUTE)]


def test_with_auto_one_sees_what_the_cable_is() -> None:
    machine = plugged_in()
    Reconciler(KINDS, sleep=lambda _: None).reconcile(routed(Share.AUTO), machine)
    assert offered(routed(Share.AUTO), machine) == [Offered(BRIDGE, Mode.ROUTE, (4,))]
    machine.neighbours[BRIDGE, IPv4Address("192.168.137.1")] = True
    assert offered(routed(Share.AUTO), machine) == [Offered(BRIDGE, Mode.HOST)]
    assert offered(routed(Share.LOCAL), machine) == [Offered(BRIDGE, Mode.LOCAL)]
