"""What fails, fails by itself: it is said, it stops only what needs it, and it is not tried without end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import pairwise
from pathlib import Path

from appliance.errors import TemporaryError
from appliance.model import Appliance
from appliance.parse import load
from firstboot import actions
from firstboot.facts import OURS, Address, Link, Route, Rule
from firstboot.health.diagnosis import Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.kinds import KINDS
from firstboot.reconcile import LONGEST_HOLD_S, Outcome, Reconciler, State
from firstboot.resources.units import DNSMASQ
from tests.firstboot.memory import MemoryMachine, count

EXAMPLE = Path(__file__).parent.parent / "appliance" / "examples" / "gateway.yaml"
DEFAULT = IPv4Network("0.0.0.0/0")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class StubbornMachine(MemoryMachine):
    """Refuses some sorts of action, as a full card or a broken kernel would."""

    def __init__(self, *refused: type, error: Exception) -> None:
        super().__init__()
        self.refused, self.error, self.attempts = refused, error, 0

    def execute(self, action: actions.Action) -> None:
        if isinstance(action, self.refused):
            self.attempts += 1
            raise self.error
        super().execute(action)


def by_kind(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {outcome.kind: outcome for outcome in outcomes}


def settle(appliance: Appliance, machine: MemoryMachine) -> dict[str, Outcome]:
    return by_kind(Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine))


def test_without_a_firewall_nothing_is_opened(gateway: Appliance) -> None:
    machine = StubbornMachine(actions.LoadRules, error=TemporaryError("iptables-restore failed"))
    outcomes = settle(gateway, machine)
    assert (outcomes["firewall"].state, outcomes["firewall"].error) == (State.WAITING, "iptables-restore failed")
    for kind in ("tunnel", "sysctls"):
        assert (outcomes[kind].state, outcomes[kind].error) == (State.BLOCKED, "needs firewall")
    assert "he-ipv6" not in machine.links
    assert machine.sysctls["net/ipv6/conf/all/forwarding"] == "0"
    assert outcomes["links"].state is State.OK


def test_a_bug_in_one_kind_is_said_and_stops_nothing_else(gateway: Appliance) -> None:
    machine = StubbornMachine(actions.SetHostname, error=KeyError("mangle"))
    outcomes = settle(gateway, machine)
    assert outcomes["hostname"].state is State.FAILED
    assert outcomes["hostname"].error == "a bug in the appliance: KeyError: 'mangle'"
    assert outcomes["tunnel"].state is State.OK


def test_what_fails_is_tried_at_growing_intervals(gateway: Appliance) -> None:
    machine = StubbornMachine(actions.RestartUnit, error=TemporaryError("it ended as failed"))
    clock = Clock()
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=clock)
    tried_at = []
    for second in range(600):
        clock.now_s, before = float(second), machine.attempts
        outcome = by_kind(reconciler.reconcile(gateway, machine))["units"]
        assert outcome.state in (State.WAITING, State.FAILED)
        tried_at += [second] if machine.attempts > before else []
    gaps = [later - earlier for earlier, later in pairwise(tried_at)]
    assert gaps[:8] == [1, 1, 2, 4, 8, 16, 32, 60]
    assert set(gaps[8:]) == {LONGEST_HOLD_S}


class NoRouteInTable(MemoryMachine):
    """Two tables that both lack a default route, of which the kernel takes none in one."""

    def __init__(self, refused: int) -> None:
        super().__init__("eni1")
        self.refused, self.refusals = refused, 0
        self.links = {"eni1": Link("eni1", up=True, carrier=True)}
        self.addresses = [Address("eni1", IPv4Interface("10.0.1.9/24"))]
        link_routes = [Route(IPv4Network("10.0.1.0/24"), "eni1", None, 0, table) for table in (7, 9)]
        self.routes = [Route(DEFAULT, "eni1", IPv4Address("10.0.1.1"), 100), *link_routes]
        self.rules_of_tables = [Rule(4, 7), Rule(4, 9)]

    def execute(self, action: actions.Action) -> None:
        if isinstance(action, actions.SetRoute) and action.route.table == self.refused:
            self.refusals += 1
            raise TemporaryError("File exists")
        super().execute(action)

    def has_ours(self, table: int) -> bool:
        return any(route.table == table and route.protocol == OURS for route in self.routes)

    def lose_ours(self) -> None:
        self.routes = [route for route in self.routes if route.protocol != OURS]


def test_what_cannot_be_made_right_holds_up_nothing_else_of_its_kind() -> None:
    policies, machine, clock = load(EXAMPLE.parent / "policies.yaml").appliance, NoRouteInTable(9), Clock()
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=clock)
    for _ in range(12):
        outcome = by_kind(reconciler.reconcile(policies, machine))["route-tables"]
        clock.now_s += LONGEST_HOLD_S
    assert (outcome.error, outcome.in_vain, machine.has_ours(7)) == ("File exists", True, True)
    refusals, clock.now_s = machine.refusals, clock.now_s - LONGEST_HOLD_S + 1
    machine.lose_ours()
    outcome = by_kind(reconciler.reconcile(policies, machine))["route-tables"]
    assert machine.has_ours(7)
    assert machine.refusals == refusals  # and is not tried more often because of that
    assert outcome.state is State.FAILED
    assert outcome.in_vain


def test_a_new_configuration_is_tried_at_once(gateway: Appliance) -> None:
    machine = StubbornMachine(actions.RestartUnit, error=TemporaryError("it ended as failed"))
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=Clock())
    for _ in range(10):
        reconciler.reconcile(gateway, machine)
    machine.refused = ()
    assert by_kind(reconciler.reconcile(gateway, machine))["units"].state is not State.OK
    assert by_kind(reconciler.reconcile(replace(gateway), machine))["units"].state is State.OK
    assert DNSMASQ in machine.active_units


def test_a_duplicate_address_is_for_a_person_to_put_right(gateway: Appliance) -> None:
    machine = MemoryMachine()
    settle(gateway, machine)
    machine.addresses = [
        _doubled(a) if a.interface == "eth0" and a.address.version == 6 else a for a in machine.addresses
    ]
    outcome = settle(gateway, DuplicatingMachine(machine))["addresses"]
    assert (outcome.state, outcome.setting) == (State.WAITING, "lan")
    assert outcome.error == "another machine on eth0 has the address 2001:db8:123d:abc::1"


def _doubled(address: Address) -> Address:
    return replace(address, duplicate=True, tentative=True)


class DuplicatingMachine(MemoryMachine):
    """Another machine on the wire has every IPv6 address that is put on eth0."""

    def __init__(self, other: MemoryMachine) -> None:
        super().__init__()
        self.__dict__.update(other.__dict__)

    def execute(self, action: actions.Action) -> None:
        super().execute(action)
        if isinstance(action, actions.AddAddress):
            self.addresses[-1] = _doubled(self.addresses[-1])


class HesitatingMachine(MemoryMachine):
    """An IPv6 address is tentative at first, as the kernel's are for a second."""

    def execute(self, action: actions.Action) -> None:
        super().execute(action)
        if isinstance(action, actions.AddAddress) and action.address.address.version == 6:
            self.addresses[-1] = replace(self.addresses[-1], tentative=True)


def test_an_address_that_is_being_looked_into_holds_nothing_up(gateway: Appliance) -> None:
    machine, slept, clock = HesitatingMachine(), list[float](), Clock()
    reconciler = Reconciler(KINDS, sleep=slept.append, clock=clock)
    first = {outcome.kind: outcome for outcome in reconciler.reconcile(gateway, machine)}
    assert first["addresses"].state is State.WAITING
    assert "is being found out" in first["addresses"].error
    assert first["routes"].state is State.OK
    assert slept == []

    for _ in range(5):  # nor is it a failure, after which one would wait
        clock.now_s += 5.0  # often enough to be held up by that, and too seldom for a fight
        machine.addresses = []
        again = {outcome.kind: outcome for outcome in reconciler.reconcile(gateway, machine)}
        assert again["addresses"].state is State.WAITING
        assert len(machine.addresses) == 3

    machine.log.clear()
    machine.addresses = [replace(address, tentative=False) for address in machine.addresses]
    assert {o.kind: o.state for o in reconciler.reconcile(gateway, machine)}["addresses"] is State.OK
    assert count(machine)[actions.AddAddress] == 0


def test_a_silent_far_end_is_said(gateway: Appliance) -> None:
    machine = MemoryMachine()
    found = diagnosis(Evidence(far_end=False, beyond=False))
    machine.health = Health(carries=False, diagnosis=found)
    outcome = settle(gateway, machine)["reach"]
    assert (outcome.state, outcome.error, outcome.hint) == (State.WAITING, found.sentence, found.hint)


def test_a_changed_profile_is_connected_anew(gateway: Appliance) -> None:
    machine = MemoryMachine()
    assert gateway.uplink is not None
    assert gateway.lan is not None
    dhcp = replace(
        gateway, uplink=replace(gateway.uplink, address=None, gateway=None), lan=replace(gateway.lan, dhcp4=None)
    )
    settle(dhcp, machine)
    before = machine.profiles["eth0"]
    assert dhcp.uplink is not None
    settle(replace(dhcp, uplink=replace(dhcp.uplink, mtu=1492)), machine)
    assert machine.profiles["eth0"] != before


def test_without_a_signal_nothing_is_connected_again_and_again(gateway: Appliance) -> None:
    machine = MemoryMachine()
    assert gateway.uplink is not None
    assert gateway.lan is not None
    machine.links["eth0"] = replace(machine.links["eth0"], up=True, carrier=False)
    dhcp = replace(
        gateway, uplink=replace(gateway.uplink, address=None, gateway=None), lan=replace(gateway.lan, dhcp4=None)
    )
    settle(dhcp, machine)
    machine.log.clear()
    settle(dhcp, machine)
    assert machine.log == []
