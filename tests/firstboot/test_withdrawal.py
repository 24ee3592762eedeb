"""What the laptop is told when the way out goes, and when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

import pytest

from appliance.model import Appliance, Gadget, Profile, Share, Uplink
from firstboot.actions import Action, BounceLinks, ReplugGadget, RestartUnit, WithdrawRouter, WriteFile
from firstboot.cable import BRIDGE
from firstboot.facts import Route
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.rendered.dnsmasq import IN_FORCE, LOADED, heard
from firstboot.resources.units import DNSMASQ
from tests.firstboot.memory import MemoryMachine

ROUTER, ROUTER6 = IPv4Address("192.168.1.254"), IPv6Address("fe80::fe")
UPLINK = Uplink(interface="eth0", address=IPv4Interface("192.168.1.252/24"), gateway=ROUTER)
ROUTED = Appliance(
    profile=Profile.GADGET, uplink=UPLINK, gadget=Gadget(network=IPv4Interface("10.55.0.1/28"), share=Share.ROUTE)
)
ALL = {"router", "dns-server", "router6"}

Pass = Callable[[Appliance], list[Action]]


@pytest.fixture
def pi() -> MemoryMachine:
    """One with a way out in both families."""
    made = MemoryMachine()
    made.device_controllers = ["fe980000.usb"]
    made.routes = [
        Route(IPv4Network("0.0.0.0/0"), "eth0", gateway=ROUTER, metric=100),
        Route(IPv6Network("::/0"), "eth0", gateway=ROUTER6, metric=100),
    ]
    answers(made, True, ROUTER, ROUTER6)
    return made


@pytest.fixture
def reconcile(pi: MemoryMachine) -> Pass:
    """What a pass does, once the laptop has heard of its way out."""
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: 0.0)

    def made(appliance: Appliance) -> list[Action]:
        before = len(pi.log)
        reconciler.reconcile(appliance, pi)
        return pi.log[before:]

    made(ROUTED)
    made(ROUTED)
    assert told(pi) == ALL
    assert made(ROUTED) == []
    return made


def answers(pi: MemoryMachine, here: bool, *routers: IPv4Address | IPv6Address) -> None:
    """These routers of the uplink's answer from now on, or not."""
    pi.neighbours.update({("eth0", router): here for router in routers})


def told(pi: MemoryMachine) -> set[str]:
    """The ways out that dnsmasq tells of."""
    return set(heard(pi.read(LOADED).content.decode(), BRIDGE).ways_out)  # type: ignore[union-attr]


def test_a_dead_router_is_withdrawn_before_anything_else(pi: MemoryMachine, reconcile: Pass) -> None:
    """While the adapter is away dnsmasq gets the new answer, so that nobody is told the old one again."""
    answers(pi, False, ROUTER, ROUTER6)
    withdrawn, replugged, written, restarted, *rest = reconcile(ROUTED)
    assert isinstance(withdrawn, WithdrawRouter)
    assert isinstance(replugged, ReplugGadget) and replugged.meanwhile == (written, restarted)
    assert isinstance(written, WriteFile) and written.path == IN_FORCE
    assert restarted == RestartUnit(DNSMASQ)
    assert told(pi) == set()
    assert not any(isinstance(action, BounceLinks | ReplugGadget | RestartUnit) for action in rest)
    assert reconcile(ROUTED) == []


def test_a_way_out_that_is_back_is_told_once_dnsmasq_says_so(pi: MemoryMachine, reconcile: Pass) -> None:
    answers(pi, False, ROUTER, ROUTER6)
    reconcile(ROUTED)
    answers(pi, True, ROUTER, ROUTER6)
    did = reconcile(ROUTED)
    assert told(pi) == ALL
    [bounced] = [action for action in did if isinstance(action, BounceLinks)]
    assert bounced.names == ("usb0", "usb1") and did.index(bounced) > did.index(RestartUnit(DNSMASQ))
    assert reconcile(ROUTED) == []


def test_local_takes_the_way_out_back_as_well(pi: MemoryMachine, reconcile: Pass) -> None:
    gadget = ROUTED.gadget
    assert gadget is not None
    did = reconcile(replace(ROUTED, gadget=replace(gadget, share=Share.LOCAL)))
    assert isinstance(did[0], WithdrawRouter) and isinstance(did[1], ReplugGadget)
    assert told(pi) == set()


def test_while_the_router_is_not_known_to_be_dead_nothing_is_withdrawn(pi: MemoryMachine, reconcile: Pass) -> None:
    pi.neighbours.clear()
    assert reconcile(ROUTED) == []


def test_a_dead_ipv6_router_is_withdrawn_and_the_cable_stays_up(pi: MemoryMachine, reconcile: Pass) -> None:
    """Nothing that DHCP says has changed."""
    answers(pi, False, ROUTER6)
    withdrawn, *rest = reconcile(ROUTED)
    assert isinstance(withdrawn, WithdrawRouter)
    assert not any(isinstance(action, BounceLinks | ReplugGadget) for action in rest)
    assert told(pi) == ALL - {"router6"}


def test_a_dnsmasq_that_ended_is_started_and_the_cable_stays_up(pi: MemoryMachine, reconcile: Pass) -> None:
    answers(pi, False, ROUTER, ROUTER6)
    reconcile(ROUTED)
    pi.active_units.discard(DNSMASQ)
    assert reconcile(ROUTED) == [RestartUnit(DNSMASQ)]
