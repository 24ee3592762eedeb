"""From whatever is there to what is wanted: the plan empties the difference, and a second plan is empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Network
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.completion import completion
from appliance.firewall import Firewall
from appliance.he import BrokerTunnel
from appliance.model import Appliance, Broker, Profile, Tunnel, TunnelForm
from appliance.parse import load
from firstboot.actions import ReactSoon
from firstboot.facts import OURS, Address, FormerFile, Route
from firstboot.former_files import HOSTNAME, TAKEN
from firstboot.kind import FileState, Reaction
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.tunnels.domain import Domain
from firstboot.tunnels.six_rd import own_address
from firstboot.tunnels.told import Told
from tests.appliance.test_completion import SAID
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.firewalls import firewalls
from tests.firstboot.generated import (
    FOREIGN_FILES,
    KINDS_OF_LINKS,
    TAKEN_OVER,
    leased,
    machines,
    reacting,
    with_a_laptop,
)
from tests.firstboot.memory import MemoryMachine
from tests.firstboot.test_ranked_uplinks import MACS, managed

T = TypeVar("T", Address, Route)

EXAMPLES_EACH = 30
ROUNDS = 4
"""At most: another one where chance had nothing for a kind to do."""

SAID_ONLY = frozenset({"6rd", "uplink", "other-managers", "names", "reach", "overlap", "offer"})
"""Kinds that do nothing: what they look at, only a person can put right."""


def example(name: str) -> Appliance:
    return load(EXAMPLES / f"{name}.yaml").appliance


@dataclass(frozen=True)
class Site:
    """A configuration and machines in any state, on which these kinds have something to do.

    `passes`: after so many everything is right. Some kinds need facts that kinds after them make: that there are the
    tunnel and the gadget's interfaces, and what dnsmasq has loaded. `firewalls`: what the section of that name is;
    None: as the configuration has it.
    """

    appliance: Appliance
    machines: st.SearchStrategy[MemoryMachine]
    kinds: frozenset[str]
    passes: int = 1
    firewalls: st.SearchStrategy[Firewall] | None = None


POLICIES = example("policies")


def by_dhcp(appliance: Appliance) -> Appliance:
    assert appliance.uplink is not None
    return replace(appliance, uplink=replace(appliance.uplink, address=None, gateway=None))


def with_an_account(appliance: Appliance) -> Appliance:
    assert appliance.tunnel is not None
    broker = Broker(user="me", key="A1b2C3d4E5f6G7h8", tunnel=123456)
    return replace(appliance, tunnel=replace(appliance.tunnel, broker=broker))


def by_account(appliance: Appliance) -> Appliance:
    """The broker has said what the tunnel is."""
    tunnel = with_an_account(appliance).tunnel
    assert tunnel is not None
    alone = replace(tunnel, server=None, address=None, routed=None)
    return completion(replace(appliance, tunnel=alone), SAID).appliance


def answered(machine: MemoryMachine) -> MemoryMachine:
    machine.describes = SAID
    return machine


def by_six_rd(appliance: Appliance) -> Appliance:
    """With the provider's tunnel, as it has told of it."""
    wanted = replace(appliance, tunnel=Tunnel(kind=TunnelForm.SIX_RD), firewall=Firewall())
    domain, address = TOLD.domain, TOLD.address
    assert domain is not None
    delegated = domain.delegated(address)
    return completion(wanted, BrokerTunnel(domain.relay, own_address(delegated, address), delegated)).appliance


def told_of_six_rd(machine: MemoryMachine) -> MemoryMachine:
    machine.six_rd = TOLD
    return machine


def taken_over(machine: MemoryMachine) -> MemoryMachine:
    """Its owner's, in a profile's hands until now."""
    machine.is_its_owners = True
    for path in TAKEN:
        machine.former_files[path] = FormerFile(path, b"theirs\n")
    machine.files |= {path: FileState(b"theirs\n", 0o644) for path in (HOSTNAME, *TAKEN[:2])}
    return machine


def two_armed(appliance: Appliance) -> Appliance:
    """With a LAN of its own, so that IPv4 passes through as well."""
    assert appliance.lan is not None
    lan = replace(appliance.lan, interface="eni1", address=IPv4Interface("192.168.2.1/24"), dhcp4=None)
    return replace(appliance, lan=lan)


DOMAIN = Domain(IPv6Network("2001:db8:0:100::/56"), 24, (IPv4Address("10.0.0.254"),))
"""It leaves a /64 to each."""
TOLD = Told("eth0", IPv4Address("10.0.0.5"), DOMAIN)
IN_IMAGES = frozenset({"hostname", "files", "ufw", "firewall", "sysctls", "units", "networkmanager", "status-page"})
SITES = {
    "gateway": Site(
        example("gateway"),
        machines(),
        IN_IMAGES | {"links", "tunnel", "tunnel-sysctls", "addresses", "routes"},
        passes=2,
    ),
    "gateway with a firewall": Site(
        two_armed(example("gateway")), machines(), IN_IMAGES | {"tunnel"}, passes=2, firewalls=firewalls()
    ),
    "gateway by DHCP": Site(
        with_an_account(by_dhcp(example("gateway"))), leased(), IN_IMAGES | {"tunnel", "broker"}, passes=2
    ),
    "gateway by its account": Site(
        by_account(by_dhcp(example("gateway"))),
        leased().map(answered),
        IN_IMAGES | {"tunnel", "tunnel-information", "broker"},
        passes=3,
    ),
    "gateway by 6rd": Site(
        by_six_rd(by_dhcp(example("gateway"))),
        leased().map(told_of_six_rd),
        IN_IMAGES | {"tunnel", "tunnel-sysctls", "addresses", "routes"},
        passes=2,
    ),
    "gadget": Site(
        example("gadget"),
        machines() | with_a_laptop(),
        IN_IMAGES | {"radio", "wifi", "gadget", "bridge", "cable-sysctls", "dhcpcd", "withdrawal"},
        passes=4,
    ),
    "gadget with a firewall": Site(example("gadget"), machines(), IN_IMAGES, passes=4, firewalls=firewalls()),
    "gadget-offline": Site(
        example("gadget-offline"),
        machines(),
        IN_IMAGES - {"sysctls"} | {"gadget", "bridge", "cable-sysctls", "addresses", "cable"},
        passes=3,
    ),
    "policies": Site(
        POLICIES,
        reacting(POLICIES),
        frozenset({"route-tables", "policy-sysctls", "former-settings", "reactions"}),
        passes=2,
    ),
    "given back": Site(
        Appliance(profile=Profile.CUSTOM),
        machines().map(taken_over),
        frozenset({"given-back", "forgotten", "tunnel", "addresses", "routes"}),
        passes=2,
    ),
    "uplinks": Site(example("uplinks"), managed(), frozenset({"uplinks", "uplink-sysctls"})),
}


def test_every_kind_has_a_site() -> None:
    tried = frozenset().union(*(site.kinds for site in SITES.values()))
    assert tried | SAID_ONLY == {kind.name for kind in KINDS}
    assert not tried & SAID_ONLY


@pytest.mark.parametrize("name", SITES)
def test_any_state_becomes_right_and_what_is_foreign_stays(name: str) -> None:
    site, acted = SITES[name], set[str]()

    firewall = site.firewalls if site.firewalls is not None else st.just(site.appliance.firewall)

    @settings(max_examples=EXAMPLES_EACH, deadline=None, suppress_health_check=list(HealthCheck))
    @given(machine=site.machines, firewall=firewall)
    def check(machine: MemoryMachine, firewall: Firewall) -> None:
        appliance = replace(site.appliance, firewall=firewall)
        before = foreign(machine)
        reconciler = Reconciler(KINDS, sleep=lambda _: None)
        for _ in range(site.passes):
            outcomes = reconciler.reconcile(appliance, machine)
            assert not [outcome.error for outcome in outcomes if "a bug in the appliance" in outcome.error]
            acted.update(outcome.kind for outcome in outcomes if outcome.done)
            react(machine)
        assert wrong(outcomes) == []
        assert foreign(machine) == before

        machine.log.clear()
        again = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
        assert machine.log == [], machine.log
        assert wrong(again) == []

    for _ in range(ROUNDS):
        check()
        if acted >= site.kinds:
            return
    pytest.fail(f"these had nothing to do: {', '.join(site.kinds - acted)}")


def wrong(outcomes: tuple[Outcome, ...]) -> list[Outcome]:
    return [each for each in outcomes if each.state is not State.OK and each.kind not in SAID_ONLY]


def foreign(machine: MemoryMachine) -> dict[str, Any]:
    """What is not the daemon's, nor on interfaces that it, or a manager that it tells, configures."""
    configured = {*TAKEN_OVER, "usb0", "usb1", *MACS}
    return {
        "links": {name: machine.links.get(name) for name in KINDS_OF_LINKS if name not in TAKEN_OVER},
        "addresses": _others(machine.addresses, configured),
        "routes": _others(machine.routes, configured),
        "rules": list(machine.rules_of_tables),
        "files": {path: machine.files.get(path) for path in FOREIGN_FILES},
    }


def _others(found: Iterable[T], configured: Collection[str]) -> list[T]:
    return [
        each for each in found if (each.protocol != OURS or not each.interface) and each.interface not in configured
    ]


def react(machine: MemoryMachine) -> None:
    """The interfaces have settled."""
    soon = [action for action in machine.log if isinstance(action, ReactSoon)]
    machine.reacted |= {action.policy: Reaction(action.members) for action in soon}
