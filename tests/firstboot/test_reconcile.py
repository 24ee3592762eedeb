"""The whole gateway on a machine in memory: it gets right, stays right, and is put right again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.model import Appliance, Lan, Uplink
from firstboot.actions import AddTunnel, LoadRules, RemoveLink, RestartUnit, SetRoute, ShutFirewall
from firstboot.facts import OURS, Address, Link, Route
from firstboot.kind import FileState
from firstboot.kinds import KINDS
from firstboot.paths import ETC
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.rendered import ipv4_only
from firstboot.rendered.dnsmasq import CONFIG, IN_FORCE
from firstboot.resources.units import DNSMASQ, IPV4_ONLY
from tests.firstboot.memory import MemoryMachine, count

EXAMPLE = Path(__file__).parent.parent / "appliance" / "examples" / "gateway.yaml"
ROUTED = IPv6Network("2001:db8:123d:abc::/64")
DEFAULT4, DEFAULT6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")


def settle(appliance: Appliance, machine: MemoryMachine) -> dict[str, Outcome]:
    """One pass of a daemon that has just started."""
    reconciler = Reconciler(KINDS, sleep=lambda _: None)
    return {outcome.kind: outcome for outcome in reconciler.reconcile(appliance, machine)}


def states(outcomes: dict[str, Outcome]) -> set[State]:
    return {outcome.state for outcome in outcomes.values()}


def test_a_fresh_machine_becomes_the_gateway(gateway: Appliance, machine: MemoryMachine) -> None:
    outcomes = settle(gateway, machine)

    assert states(outcomes) == {State.OK}, [o for o in outcomes.values() if o.state is not State.OK]
    assert {(a.interface, a.address) for a in machine.addresses} == {
        ("eth0", IPv4Interface("192.168.1.252/24")),
        ("he-ipv6", IPv6Interface("2001:db8:123c:abd::2/64")),
        ("eth0", IPv6Interface("2001:db8:123d:abc::1/64")),
    }
    assert {(r.destination, r.interface, str(r.gateway)) for r in machine.routes} == {
        (DEFAULT4, "eth0", "192.168.1.254"),
        (IPv4Network("198.51.100.100/32"), "eth0", "192.168.1.254"),
        (DEFAULT6, "he-ipv6", "None"),
    }
    tunnel = machine.links["he-ipv6"]
    assert (tunnel.local, tunnel.remote, tunnel.mtu, tunnel.ttl) == (
        IPv4Address("192.168.1.252"),
        IPv4Address("198.51.100.100"),
        1480,
        255,
    )
    assert machine.sysctls["net/ipv6/conf/all/forwarding"] == "1"
    assert machine.sysctls["net/ipv4/ip_forward"] == "0"  # one arm: no IPv4 packet passes through
    assert machine.kernel_name == "ipv6gw"
    assert not machine.networkmanager_manages("eth0")
    assert not machine.networkmanager_manages("he-ipv6")


def test_a_second_pass_does_nothing(gateway: Appliance, machine: MemoryMachine) -> None:
    settle(gateway, machine)
    machine.log.clear()

    assert states(settle(gateway, machine)) == {State.OK}
    assert machine.log == []


def test_the_firewall_is_loaded_before_anything_is_reachable(gateway: Appliance, machine: MemoryMachine) -> None:
    settle(gateway, machine)

    kinds = [type(action) for action in machine.log]
    assert kinds.index(LoadRules) < kinds.index(AddTunnel) < kinds.index(RestartUnit)
    assert count(machine)[LoadRules] == 2  # one for each family


def _lose_route(machine: MemoryMachine) -> None:
    machine.routes = [route for route in machine.routes if route.destination != DEFAULT6]


def _lose_address(machine: MemoryMachine) -> None:
    machine.addresses = [address for address in machine.addresses if address.address.ip not in ROUTED]


def _lose_tunnel(machine: MemoryMachine) -> None:
    machine.execute(RemoveLink("he-ipv6"))


def _lose_forwarding(machine: MemoryMachine) -> None:
    machine.sysctls["net/ipv6/conf/all/forwarding"] = "0"


def _lose_rules(machine: MemoryMachine) -> None:
    machine.kernel_rules.clear()


def _lose_one_rule(machine: MemoryMachine) -> None:
    rules = machine.kernel_rules[6].splitlines()
    rules.remove(next(line for line in rules if "before-forward -i eth0" in line))
    machine.kernel_rules[6] = "\n".join(rules)


def _open_the_policy(machine: MemoryMachine) -> None:
    machine.kernel_rules[4] = machine.kernel_rules[4].replace(":INPUT DROP", ":INPUT ACCEPT")


def _double_a_jump(machine: MemoryMachine) -> None:
    machine.kernel_rules[6] = machine.kernel_rules[6].replace(
        "-A FORWARD -j appliance-mss", "-A FORWARD -j appliance-mss\n-A FORWARD -j appliance-mss"
    )


def _edit_a_file(machine: MemoryMachine) -> None:
    machine.files[CONFIG] = FileState(b"port=0\n", 0o644)


def _stop_dnsmasq(machine: MemoryMachine) -> None:
    machine.active_units.discard(DNSMASQ)


def _rename(machine: MemoryMachine) -> None:
    machine.kernel_name = "localhost"


def _down(machine: MemoryMachine) -> None:
    machine.links["eth0"] = replace(machine.links["eth0"], up=False)
    machine.routes = [route for route in machine.routes if route.interface != "eth0"]


@pytest.mark.parametrize(
    "disturb",
    [
        _lose_route,
        _lose_address,
        _lose_tunnel,
        _lose_forwarding,
        _lose_rules,
        _lose_one_rule,
        _open_the_policy,
        _double_a_jump,
        _edit_a_file,
        _stop_dnsmasq,
        _rename,
        _down,
    ],
)
def test_drift_is_repaired(
    gateway: Appliance, machine: MemoryMachine, disturb: Callable[[MemoryMachine], None]
) -> None:
    settle(gateway, machine)
    before = _state(machine)
    disturb(machine)
    assert _state(machine) != before

    assert states(settle(gateway, machine)) == {State.OK}
    assert _state(machine) == before


def _state(machine: MemoryMachine) -> object:
    return (
        dict(machine.links),
        set(machine.addresses),
        set(machine.routes),
        dict(machine.files),
        dict(machine.sysctls),
        machine.kernel_name,
        dict(machine.kernel_rules),
        set(machine.active_units),
    )


@pytest.mark.parametrize("family", [4, 6])
def test_a_firewall_whose_rules_are_right_is_only_shut(gateway: Appliance, machine: MemoryMachine, family: int) -> None:
    settle(gateway, machine)
    before = dict(machine.kernel_rules)
    machine.log.clear()
    machine.kernel_rules[family] = before[family].replace(":FORWARD DROP", ":FORWARD ACCEPT")
    assert states(settle(gateway, machine)) == {State.OK}
    assert machine.log == [ShutFirewall(family, "the policy of FORWARD was ACCEPT")]
    assert machine.kernel_rules == before

    opened = before[family].replace(":INPUT DROP", ":INPUT ACCEPT").splitlines()
    machine.kernel_rules[family] = "\n".join(line for line in opened if "-i lo " not in line)
    assert states(settle(gateway, machine)) == {State.OK}
    assert [type(action) for action in machine.log] == [ShutFirewall, LoadRules]
    assert machine.kernel_rules == before


def test_what_others_made_is_left_alone(gateway: Appliance, machine: MemoryMachine) -> None:
    machine.links["he-other"] = Link("he-other", "sit", up=True)
    foreign = Address("eth0", IPv4Interface("192.168.7.1/24"), protocol=0)
    their_route = Route(IPv4Network("10.0.0.0/8"), "eth0", IPv4Address("192.168.7.2"), 50, protocol=4)
    machine.addresses.append(foreign)
    machine.routes.append(their_route)

    settle(gateway, machine)

    assert "he-other" in machine.links
    assert foreign in machine.addresses
    assert their_route in machine.routes


def test_what_is_not_wanted_any_more_goes(gateway: Appliance, machine: MemoryMachine) -> None:
    settle(gateway, machine)
    renamed = replace(gateway, tunnel=replace(gateway.tunnel, interface="tun6")) if gateway.tunnel else gateway

    assert states(settle(renamed, machine)) == {State.OK}
    assert "he-ipv6" not in machine.links
    assert {address.interface for address in machine.addresses} == {"eth0", "tun6"}


def test_the_server_for_domains_without_ipv6_runs_while_there_are_any(
    gateway: Appliance, machine: MemoryMachine
) -> None:
    assert gateway.tunnel is not None
    listed = replace(gateway, tunnel=replace(gateway.tunnel, ipv4_only=("film.example",)))
    settle(listed, machine)
    assert IPV4_ONLY in machine.active_units and ipv4_only.CONFIG in machine.files
    assert b"server=/film.example/127.0.0.1#1053" in machine.files[IN_FORCE].content
    machine.log.clear()
    settle(listed, machine)
    assert machine.log == []
    settle(gateway, machine)
    assert IPV4_ONLY not in machine.active_units and ipv4_only.CONFIG not in machine.files


def test_dhcp_uplink_waits_for_a_lease_and_follows_it(gateway: Appliance, machine: MemoryMachine) -> None:
    by_dhcp = replace(
        gateway, uplink=Uplink(interface="eth0"), lan=replace(gateway.lan, dhcp4=None) if gateway.lan else None
    )

    outcomes = settle(by_dhcp, machine)
    assert outcomes["firewall"].state is State.WAITING
    assert "eth0 has no IPv4 address yet" in outcomes["firewall"].error
    assert outcomes["tunnel"].state is State.BLOCKED
    assert machine.profiles["eth0"].startswith("appliance-uplink-")
    assert CONFIG not in machine.files  # what cannot be known yet is not written

    for address, router in (("10.1.1.5/24", "10.1.1.1"), ("10.9.9.9/24", "10.9.9.1")):
        machine.addresses = [a for a in machine.addresses if a.protocol == OURS]
        machine.routes = [r for r in machine.routes if r.protocol == OURS]
        machine.addresses.append(Address("eth0", IPv4Interface(address)))
        machine.routes.append(Route(DEFAULT4, "eth0", IPv4Address(router), 100, protocol=16))
        settle(by_dhcp, machine)  # the host route still has the old router until the new one is reachable
        outcomes = settle(by_dhcp, machine)
        assert states(outcomes) == {State.OK}, [o for o in outcomes.values() if o.state is not State.OK]
        assert machine.links["he-ipv6"].local == IPv4Interface(address).ip
        assert SetRoute in count(machine)


def test_two_arms_forward_and_translate_ipv4(gateway: Appliance) -> None:
    machine = MemoryMachine("eth0", "eth1")
    assert gateway.lan is not None
    lan: Lan = replace(gateway.lan, interface="eth1", address=IPv4Interface("192.168.2.1/24"))
    assert states(settle(replace(gateway, lan=lan), machine)) == {State.OK}
    assert machine.sysctls["net/ipv4/ip_forward"] == "1"
    rules = machine.kernel_rules[4]
    assert "-A appliance-nat -s 192.168.2.0/24 -o eth0 -j MASQUERADE" in rules
    assert "-A ufw-before-forward -i eth1 -s 192.168.2.0/24 -o eth0 -j ACCEPT" in rules


def test_a_missing_interface_stops_nothing_else(gateway: Appliance) -> None:
    machine = MemoryMachine("eth0")
    assert gateway.lan is not None
    lan = replace(gateway.lan, interface="eth1", address=IPv4Interface("192.168.2.1/24"))

    outcomes = settle(replace(gateway, lan=lan), machine)

    assert outcomes["links"].state is State.WAITING
    assert outcomes["links"].error == "there is no interface eth1"
    assert "he-ipv6" in machine.links
    assert outcomes["firewall"].state is State.OK


def test_a_pulled_cable_is_said(gateway: Appliance, machine: MemoryMachine) -> None:
    settle(gateway, machine)
    machine.links["eth0"] = replace(machine.links["eth0"], carrier=False)
    uplink = settle(gateway, machine)["uplink"]
    assert (uplink.state, uplink.error, uplink.hint) == (
        State.WAITING,
        "no signal on eth0",
        "is the cable in, and the router on?",
    )


def test_a_missing_uplink_is_said_with_what_there_is(gateway: Appliance) -> None:
    uplink = settle(gateway, MemoryMachine("eth1", "wlan0"))["uplink"]
    assert (uplink.state, uplink.error) == (State.WAITING, "there is no interface eth0")
    assert uplink.hint == "there are: eth1, wlan0; is the adapter plugged in?"


def test_static_uplink_names_its_dns_servers(gateway: Appliance, machine: MemoryMachine) -> None:
    settle(gateway, machine)
    assert machine.files[ETC / "resolv.conf"].content.decode().splitlines()[1:] == [
        "search localnet",
        "nameserver 1.1.1.1",
        "nameserver 8.8.8.8",
    ]
