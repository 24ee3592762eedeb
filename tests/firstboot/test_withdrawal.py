"""What the laptop is told when the way out goes, and when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance, Gadget, Interfaces, Profile, Share, Uplink
from firstboot.actions import (
    Action,
    BounceLinks,
    ReplugGadget,
    RestartUnit,
    RetractIPv6,
    SetHostname,
    SetSysctl,
    WriteFile,
)
from firstboot.cable import BRIDGE
from firstboot.facts import Address, Route
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.rendered import dnsmasq
from firstboot.rendered.dnsmasq import IN_FORCE, LOADED, heard
from firstboot.resources.dhcpcd import DHCPCD
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
    made.addresses.append(Address("eth0", IPv6Interface("2001:db8:1::77/64")))
    answers(made, True, ROUTER, ROUTER6)
    return made


@pytest.fixture
def reconcile(pi: MemoryMachine) -> Pass:
    """What a pass does, once the laptop has heard of its way out."""
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: 0.0, news=lambda: dict(pi.neighbours))

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
    withdrawn, replugged, written, restarted, noted, *rest = reconcile(ROUTED)
    assert isinstance(withdrawn, RetractIPv6)
    assert isinstance(replugged, ReplugGadget) and replugged.meanwhile == (written, restarted, noted)
    assert isinstance(written, WriteFile) and written.path == IN_FORCE
    assert restarted == RestartUnit(DNSMASQ)
    assert told(pi) == set()
    assert not any(isinstance(action, BounceLinks | ReplugGadget | RestartUnit) for action in rest)
    assert reconcile(ROUTED) == []


def test_a_router_that_dies_in_the_middle_of_a_pass_is_withdrawn_there(
    pi: MemoryMachine, reconcile: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that changes much takes a Zero many seconds."""
    execute = pi.execute

    def while_the_name_changes(action: Action) -> None:
        execute(action)
        if isinstance(action, SetHostname):
            answers(pi, False, ROUTER, ROUTER6)

    monkeypatch.setattr(pi, "execute", while_the_name_changes)
    named, withdrawn, replugged, *rest = reconcile(replace(ROUTED, hostname="another"))
    assert isinstance(named, SetHostname) and isinstance(withdrawn, RetractIPv6)
    assert isinstance(replugged, ReplugGadget)
    assert any(isinstance(action, WriteFile) and action.path == dnsmasq.CONFIG for action in rest), "the pass goes on"
    assert told(pi) == set()


def test_what_could_not_be_told_is_told_again(
    pi: MemoryMachine, reconcile: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [TemporaryError("the controller is busy")]
    execute = pi.execute

    def failing_once(action: Action) -> None:
        if isinstance(action, ReplugGadget) and failures:
            raise failures.pop()
        execute(action)

    monkeypatch.setattr(pi, "execute", failing_once)
    answers(pi, False, ROUTER, ROUTER6)
    assert [action for action in reconcile(ROUTED) if isinstance(action, ReplugGadget)]
    assert not failures and told(pi) == set()


def test_a_prefix_that_is_lent_no_more_is_retracted_and_the_router_stays(pi: MemoryMachine, reconcile: Pass) -> None:
    lent = Address(BRIDGE, IPv6Interface("2001:db8:f00::1/64"), protocol=0)
    pi.addresses.append(lent)
    assert not any(isinstance(action, RetractIPv6) for action in reconcile(ROUTED))
    pi.addresses.remove(lent)
    did = reconcile(ROUTED)
    [retracted] = [action for action in did if isinstance(action, RetractIPv6)]
    assert retracted.prefixes == (lent.address.network,) and retracted.router_lifetime_s > 0
    assert did.index(retracted) > did.index(RestartUnit(DNSMASQ)), "or it would be said once more"
    assert reconcile(ROUTED) == []


def test_ipv6_is_on_where_it_is_asked_for(pi: MemoryMachine, reconcile: Pass) -> None:
    """NetworkManager turns it off where it disconnects, and leaves it so."""
    pi.sysctls["net/ipv6/conf/eth0/disable_ipv6"] = "1"
    assert reconcile(ROUTED)[:2] == [SetSysctl("net/ipv6/conf/eth0/disable_ipv6", "0"), RestartUnit(DHCPCD)]
    pi.links["eth0"] = replace(pi.links["eth0"], carrier=False)
    pi.sysctls["net/ipv6/conf/eth0/disable_ipv6"] = "1"
    assert SetSysctl("net/ipv6/conf/eth0/disable_ipv6", "0") not in reconcile(ROUTED), "nobody is there to be asked"


def test_a_way_out_that_is_back_is_told_once_dnsmasq_says_so(pi: MemoryMachine, reconcile: Pass) -> None:
    answers(pi, False, ROUTER, ROUTER6)
    reconcile(ROUTED)
    answers(pi, True, ROUTER, ROUTER6)
    did = reconcile(ROUTED)
    assert told(pi) == ALL
    [bounced] = [action for action in did if isinstance(action, BounceLinks)]
    assert bounced.names == ("usb0", "usb1") and did.index(bounced) > did.index(RestartUnit(DNSMASQ))
    assert reconcile(ROUTED) == []


def test_separate_interfaces_have_their_addresses_back_when_they_are_up_again(
    pi: MemoryMachine, reconcile: Pass
) -> None:
    """The laptop solicits routers as soon as it sees the cable, and not for long."""
    gadget = ROUTED.gadget
    assert gadget is not None
    did = reconcile(replace(ROUTED, gadget=replace(gadget, interfaces=Interfaces.SEPARATE)))
    assert any(isinstance(action, BounceLinks) for action in did)
    for port in ("usb0", "usb1"):
        own = [address.address.ip for address in pi.addresses if address.interface == port]
        assert [ip.packed[-1] for ip in own if ip.version == 6] == [1], port
        assert pi.link_local[port] == (IPv6Address("fe80::1"),)


def test_local_takes_the_way_out_back_as_well(pi: MemoryMachine, reconcile: Pass) -> None:
    gadget = ROUTED.gadget
    assert gadget is not None
    did = reconcile(replace(ROUTED, gadget=replace(gadget, share=Share.LOCAL)))
    assert isinstance(did[0], RetractIPv6) and isinstance(did[1], ReplugGadget)
    assert told(pi) == set()


def test_while_the_router_is_not_known_to_be_dead_nothing_is_withdrawn(pi: MemoryMachine, reconcile: Pass) -> None:
    pi.neighbours.clear()
    assert reconcile(ROUTED) == []


def test_a_dead_ipv6_router_is_withdrawn_and_the_cable_stays_up(pi: MemoryMachine, reconcile: Pass) -> None:
    """Nothing that DHCP says has changed."""
    answers(pi, False, ROUTER6)
    withdrawn, *rest = reconcile(ROUTED)
    assert isinstance(withdrawn, RetractIPv6)
    assert not any(isinstance(action, BounceLinks | ReplugGadget) for action in rest)
    assert told(pi) == ALL - {"router6"}


def test_a_dnsmasq_that_ended_is_started_and_the_cable_stays_up(pi: MemoryMachine, reconcile: Pass) -> None:
    answers(pi, False, ROUTER, ROUTER6)
    reconcile(ROUTED)
    pi.active_units.discard(DNSMASQ)
    assert reconcile(ROUTED) == [RestartUnit(DNSMASQ)]
