"""What the LAN is told when the tunnel dies, and when it carries again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from appliance.model import Appliance, Gadget, Profile, Share
from firstboot.actions import Action, BounceLinks, ReplugGadget, RestartUnit, RetractIPv6, SetHostname, WriteFile
from firstboot.cable import BRIDGE
from firstboot.health.diagnosis import HEALTHY, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.rendered.dnsmasq import CONFIG, IN_FORCE, LOADED, Heard, heard
from firstboot.resources.units import DNSMASQ
from tests.firstboot.memory import MemoryMachine

OWN = IPv6Address("2001:db8:123d:abc::1")
DEAD = Health(carries=False, diagnosis=diagnosis(Evidence(far_end=False, beyond=False)))
WELL = Health(carries=True, diagnosis=HEALTHY)

Pass = Callable[[Appliance], list[Action]]


@pytest.fixture
def pi() -> MemoryMachine:
    return MemoryMachine()


@pytest.fixture
def reconcile(pi: MemoryMachine, gateway: Appliance) -> Pass:
    """What a pass does, once the LAN has heard of its way out."""
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: 0.0, news=lambda: pi.health.carries)

    def made(appliance: Appliance) -> list[Action]:
        before = len(pi.log)
        reconciler.reconcile(appliance, pi)
        return pi.log[before:]

    made(gateway)
    made(gateway)
    assert made(gateway) == []
    return made


def told(pi: MemoryMachine, interface: str = "eth0") -> Heard:
    """What dnsmasq tells."""
    return heard(pi.files[LOADED].content.decode(), interface)


def names_an_ipv6_server(pi: MemoryMachine) -> bool:
    return f"option6:dns-server,[{OWN}]" in pi.files[LOADED].content.decode()


def test_a_dead_tunnel_is_withdrawn_before_anything_else(
    pi: MemoryMachine, reconcile: Pass, gateway: Appliance
) -> None:
    before = told(pi)
    assert before.router6_s > 0 and names_an_ipv6_server(pi)
    pi.health = DEAD
    withdrawn, written, restarted, *rest = reconcile(gateway)
    assert withdrawn == RetractIPv6("eth0", 0, OWN, ())
    assert isinstance(written, WriteFile) and written.path == IN_FORCE
    assert restarted == RestartUnit(DNSMASQ)
    assert not any(isinstance(action, RestartUnit | RetractIPv6) for action in rest)
    assert told(pi) == replace(before, router6_s=0), "IPv4 and the prefixes are as they were"
    assert not names_an_ipv6_server(pi)
    assert reconcile(gateway) == []


def test_it_is_offered_again_when_it_carries_again(pi: MemoryMachine, reconcile: Pass, gateway: Appliance) -> None:
    before = told(pi)
    pi.health = DEAD
    reconcile(gateway)
    pi.health = WELL
    did = reconcile(gateway)
    assert did.count(RestartUnit(DNSMASQ)) == 1
    assert not any(isinstance(action, RetractIPv6 | BounceLinks | ReplugGadget) for action in did)
    assert told(pi) == before
    assert reconcile(gateway) == []
    pi.health = DEAD
    assert isinstance(reconcile(gateway)[0], RetractIPv6), "and it is known that it was told"


def test_another_diagnosis_of_a_dead_tunnel_tells_the_lan_nothing(
    pi: MemoryMachine, reconcile: Pass, gateway: Appliance
) -> None:
    pi.health = DEAD
    reconcile(gateway)
    pi.health = Health(carries=False, diagnosis=diagnosis(Evidence(far_end=True, beyond=False)))
    assert reconcile(gateway) == []


def test_a_tunnel_that_dies_in_the_middle_of_a_pass_is_withdrawn_there(
    pi: MemoryMachine, reconcile: Pass, gateway: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = pi.execute

    def while_the_name_changes(action: Action) -> None:
        execute(action)
        if isinstance(action, SetHostname):
            pi.health = DEAD

    monkeypatch.setattr(pi, "execute", while_the_name_changes)
    named, withdrawn, *_ = reconcile(replace(gateway, hostname="another"))
    assert isinstance(named, SetHostname) and isinstance(withdrawn, RetractIPv6)
    assert told(pi).router6_s == 0


def test_from_power_on_the_lan_is_offered_no_ipv6(pi: MemoryMachine, reconcile: Pass, gateway: Appliance) -> None:
    """Until the daemon has made the tunnel, and something has answered through it, there is none."""
    at_boot = heard(pi.files[CONFIG].content.decode(), "eth0")
    assert at_boot.router6_s == 0
    assert at_boot.dhcp == told(pi).dhcp
    assert at_boot.prefixes == told(pi).prefixes


def test_a_network_of_the_lan_that_is_gone_is_retracted(pi: MemoryMachine, reconcile: Pass, gateway: Appliance) -> None:
    assert gateway.tunnel is not None
    [before] = told(pi).prefixes
    other = replace(gateway.tunnel, routed=type(before)("2001:db8:77::/64"))
    did = reconcile(replace(gateway, tunnel=other))
    assert [action.prefixes for action in did if isinstance(action, RetractIPv6)] == [(before,)]


def test_a_tunnel_is_used_with_what_it_carries(pi: MemoryMachine, reconcile: Pass, gateway: Appliance) -> None:
    assert gateway.tunnel is not None
    name = gateway.tunnel.interface
    at_boot = pi.files[CONFIG]
    for largest, mtu in ((1380, 1380), (1200, 1480), (1280, 1280), (None, 1480)):
        pi.health = Health(carries=True, largest=largest)
        reconcile(gateway)
        assert pi.links[name].mtu == mtu
        assert f"ra-param=eth0,mtu:{mtu},60,1800" in pi.files[LOADED].content.decode()
        assert reconcile(gateway) == []
    assert pi.files[CONFIG] == at_boot, "what was found holds until the power goes"


def test_a_laptop_is_offered_ipv6_through_a_tunnel_that_carries(gateway: Appliance) -> None:
    pi = MemoryMachine()
    pi.device_controllers = ["fe980000.usb"]
    assert gateway.uplink is not None
    assert gateway.uplink.gateway is not None
    pi.neighbours[("eth0", gateway.uplink.gateway)] = True
    gadget = replace(gateway, profile=Profile.GADGET, lan=None, gadget=Gadget(share=Share.ROUTE))
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: 0.0)
    for health, families in ((WELL, (4, 6)), (DEAD, (4,)), (WELL, (4, 6))):
        pi.health = health
        for _ in range(2):
            reconciler.reconcile(gadget, pi)
        assert told(pi, BRIDGE).families == families
