"""What is told of why something was done: of the whole gateway on a machine in memory, through what happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from itertools import count

import pytest

from appliance.errors import TemporaryError
from appliance.he import BrokerTunnel
from appliance.model import Appliance
from firstboot.actions import Action, RestartUnit, WriteFile
from firstboot.facts import OURS, Address, Facts, Link, Route
from firstboot.happened import NEW_CONFIGURATION, NOT_RIGHT_SINCE, STARTED, happened
from firstboot.health.diagnosis import HEALTHY, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.history import RIGHT, UNTIL_THEN, History
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.rendered.dnsmasq import IN_FORCE
from firstboot.resources.units import DNSMASQ
from tests.firstboot.memory import MemoryMachine

SILENT = diagnosis(
    Evidence(
        address=IPv4Address("192.168.1.252"), has_route=True, has_tunnel=True, far_end=False, beyond=False, server=True
    )
)


class Told:
    """A machine that is right, after its start."""

    def __init__(self, appliance: Appliance, machine: MemoryMachine) -> None:
        self.machine, self._appliance = machine, appliance
        minutes = count(0.0, 60.0)  # nothing is held back
        self._reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: next(minutes))
        self._history = History()
        self.begun = self.whys()

    def whys(self, appliance: Appliance | None = None) -> Mapping[str, str]:
        """Why, of each thing that a pass did or found."""
        known, self._appliance = self._history.lately(), appliance or self._appliance
        self._history.note(self._reconciler.reconcile(self._appliance, self.machine))
        return {entry.what: entry.why for entry in self._history.lately() if entry not in known}


@pytest.fixture
def told(gateway: Appliance, machine: MemoryMachine) -> Told:
    return Told(gateway, machine)


def test_a_tunnel_that_dies_and_lives_again(told: Told) -> None:
    told.machine.health = Health(carries=False, diagnosis=SILENT, is_known=True)
    whys = dict(told.whys())
    assert (
        whys.pop(SILENT.sentence)
        == SILENT.grounds
        == ("the tunnel's server answers over IPv4, and nothing comes back through the tunnel")
    )
    assert {f"write {IN_FORCE}", f"(re)start {DNSMASQ}"} <= whys.keys()
    assert set(whys.values()) == {SILENT.sentence}
    told.machine.health = Health(carries=True, diagnosis=HEALTHY)
    whys = dict(told.whys())
    assert whys.pop("right again") == UNTIL_THEN + SILENT.sentence
    assert f"write {IN_FORCE}" in whys
    assert set(whys.values()) == {HEALTHY.sentence}


def test_a_start_and_another_configuration(told: Told, gateway: Appliance) -> None:
    assert set(told.begun.values()) == {STARTED}
    whys = told.whys(replace(gateway, hostname="other"))
    assert {"set the host name to other", f"write {IN_FORCE}", f"(re)start {DNSMASQ}"} <= whys.keys()
    assert set(whys.values()) == {NEW_CONFIGURATION}
    assert told.whys() == {}


def test_what_the_broker_says_makes_another_configuration(told: Told, gateway: Appliance) -> None:
    told.machine.broker_tunnel = BrokerTunnel(IPv4Address("198.51.100.7"), OTHER6)
    assert set(told.whys(replace(gateway, hostname="other")).values()) == {"the broker has told what the tunnel is"}


def test_a_cable(told: Told) -> None:
    told.machine.links["eth0"] = replace(told.machine.links["eth0"], carrier=False)
    assert told.whys() == {"no signal on eth0": UNTIL_THEN + RIGHT}
    del told.machine.links["eth0"]
    assert told.whys()["there is no interface eth0"] == "eth0 is gone"


class Full(MemoryMachine):
    """With a disk on which nothing can be written."""

    def execute(self, action: Action) -> None:
        if isinstance(action, WriteFile):
            raise TemporaryError("the disk is full")
        super().execute(action)


def test_what_has_to_wait_for_something_says_what_that_waits_for(gateway: Appliance) -> None:
    whys = Told(gateway, Full("eth0")).begun
    assert whys["needs files"] == whys["needs firewall"] == "the disk is full"


class Stubborn(MemoryMachine):
    """With a DNS server that does not stay up."""

    def execute(self, action: Action) -> None:
        super().execute(action)
        if isinstance(action, RestartUnit):
            self.active_units.discard(DNSMASQ)


def test_what_is_tried_again_is_so_for_what_had_happened(gateway: Appliance) -> None:
    told = Told(gateway, Stubborn("eth0"))
    assert told.whys()[f"(re)start {DNSMASQ}"] == NOT_RIGHT_SINCE + STARTED
    told.machine.health = Health(carries=False, diagnosis=SILENT, is_known=True)
    assert told.whys()[f"(re)start {DNSMASQ}"] == SILENT.sentence
    assert told.whys()[f"(re)start {DNSMASQ}"] == NOT_RIGHT_SINCE + SILENT.sentence


def test_what_was_right_and_nobody_knows_more_of(told: Told) -> None:
    told.machine.active_units.discard(DNSMASQ)
    [(what, why)] = told.whys().items()
    assert (what, why) == (f"(re)start {DNSMASQ}", f"found otherwise than it was left: {DNSMASQ}")


ETH0, GIVEN = Link("eth0", carrier=True), Address("eth0", IPv4Interface("192.0.2.5/24"))
OTHER6 = IPv6Interface("2001:db8::211:22ff:fe33:4455/64")
SLAAC = Address("eth0", OTHER6)
ROUTER = IPv4Address("192.0.2.1")
WAY = Route(IPv4Network("0.0.0.0/0"), "eth0", ROUTER, 100)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (Facts(), Facts(links={"eth0": ETH0}), "eth0 is there"),
        (Facts(links={"eth0": ETH0}), Facts(), "eth0 is gone"),
        (Facts(links={"eth0": ETH0}), Facts(links={"eth0": replace(ETH0, carrier=False)}), "no signal on eth0"),
        (Facts(), Facts(links={"he-ipv6": Link("he-ipv6", group=OURS)}), ""),
        (Facts(), Facts(links={"sit0": Link("sit0", "sit")}), ""),
        (Facts(), Facts(addresses=(GIVEN,)), "eth0 has the address 192.0.2.5/24"),
        (Facts(addresses=(GIVEN,)), Facts(), "eth0 has lost the address 192.0.2.5/24"),
        (Facts(), Facts(addresses=(SLAAC,)), "eth0 has other IPv6 addresses"),
        (Facts(), Facts(addresses=(replace(GIVEN, protocol=OURS),)), ""),
        (Facts(), Facts(routes=(WAY,)), "eth0 has a default route for IPv4 by 192.0.2.1"),
        (Facts(routes=(WAY,)), Facts(), "eth0 has lost its default route for IPv4"),
        (Facts(routes=(replace(WAY, metric=2000), WAY)), Facts(routes=(WAY,)), ""),
        (Facts(), Facts(neighbours={("eth0", ROUTER): False}), ""),
        (
            Facts(neighbours={("eth0", ROUTER): True}),
            Facts(neighbours={("eth0", ROUTER): False}),
            "192.0.2.1 on eth0 does not answer",
        ),
        (Facts(), Facts(healths=(Health(), Health(True, HEALTHY))), "of the fallback: the tunnel carries"),
        (Facts(), Facts(hosts={"nas": (ROUTER,)}), "machines inside have other addresses"),
        (Facts(), Facts(serial="1"), ""),
        (
            Facts(),
            Facts(links={"eth0": ETH0}, addresses=(GIVEN,), routes=(WAY,)),
            "eth0 is there; eth0 has the address 192.0.2.5/24",
        ),
    ],
)
def test_what_is_another_is_told_in_words(before: Facts, now: Facts, said: str) -> None:
    assert happened(vars(before), now) == said
    assert happened({}, now) == "", "nothing was looked at"
