"""Something else keeps changing back what the daemon puts right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot import actions
from firstboot.contests import CALM_S, INTERRUPTING, USUAL, Contests, Limits
from firstboot.facts import Address, Facts, Route
from firstboot.kind import Kind, Machine
from firstboot.kinds import KINDS
from firstboot.plan import Change
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.ranked_uplinks import RankedUplinks
from firstboot.sources import Source
from tests.firstboot.memory import MemoryMachine, count

REPAIRS, WITHIN_S = USUAL.windows[0]
FIRST_HOLD_S, LONGEST_HOLD_S = USUAL.first_hold_s, USUAL.longest_hold_s


@dataclass
class Bout:
    """A gateway, and a program that takes its default route away as often as it comes."""

    appliance: Appliance
    machine: MemoryMachine = field(default_factory=MemoryMachine)
    now: float = 1000.0
    writer: str = ""

    def __post_init__(self) -> None:
        self.reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: self.now, writer=self.asked)
        self.asked_for: list[tuple[Source, str, float]] = []

    def asked(self, table: Source, key: str, since_s: float) -> str:
        self.asked_for.append((table, key, since_s))
        return self.writer

    def after(self, seconds: float) -> Outcome:
        """Time goes by, the other program acts, and the daemon."""
        self.now += seconds
        self.machine.routes = [route for route in self.machine.routes if route.destination.prefixlen]
        outcomes = self.reconciler.reconcile(self.appliance, self.machine)
        return next(outcome for outcome in outcomes if outcome.kind == "routes")


def test_it_gives_way_says_who_it_is_and_tries_again(gateway: Appliance) -> None:
    bout = Bout(gateway, writer="evild (process 7 of evil.service)")
    states = [bout.after(0.5).state for _ in range(REPAIRS + 2)]
    assert states[:REPAIRS] == [State.OK] * REPAIRS
    assert states[REPAIRS:] == [State.WAITING] * 2
    outcome = bout.after(0.5)
    assert outcome.error.startswith("evild (process 7 of evil.service) keeps changing ")
    assert outcome.error.endswith("it is left alone for 8 s")
    assert outcome.hint
    before = count(bout.machine)[actions.SetRoute]
    assert bout.after(1).state is State.WAITING
    assert count(bout.machine)[actions.SetRoute] == before

    assert bout.after(FIRST_HOLD_S).state is State.OK


def test_who_it_is_need_not_be_known(gateway: Appliance) -> None:
    bout = Bout(gateway)
    outcomes = [bout.after(0.5) for _ in range(REPAIRS + 1)]
    assert outcomes[-1].error.startswith("something else keeps changing ")


def test_it_is_asked_who_took_that_very_thing_away_since_it_was_right(gateway: Appliance) -> None:
    bout = Bout(gateway)
    for _ in range(REPAIRS):
        bout.after(0.5)
    before_s = bout.now - 0.5
    assert set(bout.asked_for) == {
        (Source.ROUTES, "0.0.0.0/0 metric 97", before_s),
        (Source.ROUTES, "::/0 from 2001:db8:123c:abd::/64 metric 512", before_s),
        (Source.ROUTES, "::/0 from 2001:db8:123d:abc::/64 metric 512", before_s),
    }


def test_the_firewall_never_gives_way(gateway: Appliance) -> None:
    bout = Bout(gateway)
    for _ in range(3 * REPAIRS):
        bout.machine.kernel_rules.clear()
        outcomes = bout.reconciler.reconcile(bout.appliance, bout.machine)
        assert {outcome.kind: outcome.state for outcome in outcomes}["firewall"] is State.OK


def hold_of(contests: Contests, now: float) -> float:
    """For how long a thing is left alone that is repaired once a second from now on."""
    while not contests.repaired("routes", "default", "this", now):
        now += 1.0
    began = now
    while contests.held("routes", "default", now):
        now += 1.0
    return now - began


def test_each_time_it_is_for_longer() -> None:
    contests = Contests()
    holds = [hold_of(contests, 500.0 * number) for number in range(7)]
    assert holds == [10, 20, 40, 80, 160, LONGEST_HOLD_S, LONGEST_HOLD_S]


def repairs_in(hours: float, every_s: float, limits: Limits = USUAL) -> tuple[int, int]:
    """How often a thing is put right that is changed back so often, and how often it is left alone."""
    contests, repairs, holds, now = Contests(), 0, 0, 0.0
    while now < hours * 3600:
        now += every_s
        if not contests.held("routes", "default", now):
            repairs += 1
            holds += contests.repaired("routes", "default", "this", now, limits=limits)
    return repairs, holds


@pytest.mark.parametrize("every_s", [0.1, 3.0, 30.0, 60.0, 170.0])
def test_a_fight_is_noticed_however_slow_it_is(every_s: float) -> None:
    repairs, holds = repairs_in(4, every_s)
    assert holds > 0
    assert repairs < 4 * 3600 / every_s
    assert repairs <= 480  # in four hours, where it was 4800 every three seconds


@pytest.mark.parametrize("an_hour", [1, 4, 12, 18])
def test_repairs_now_and_then_are_no_fight(an_hour: int) -> None:
    assert repairs_in(48, 3600 / an_hour) == (48 * an_hour, 0)


def test_some_at_once_are_no_fight_either() -> None:
    """An update restarts everything; two hours later, another one does."""
    contests = Contests()
    times = [7200.0 * number + second for number in range(20) for second in (0.0, 5.0, 10.0, 60.0)]
    assert not any(contests.repaired("routes", "default", "this", now) for now in times)


def test_what_interrupts_gives_way_much_sooner() -> None:
    for every_s, most in ((1.0, 40), (60.0, 40), (280.0, 30), (600.0, 20)):
        repairs, holds = repairs_in(4, every_s, INTERRUPTING)
        assert holds > 0
        assert repairs <= most
    assert repairs_in(48, 1200.0, INTERRUPTING)[1] == 0
    assert repairs_in(48, 3600.0, INTERRUPTING)[1] == 0
    assert RankedUplinks.interrupts


def test_calm_makes_forget() -> None:
    contests = Contests()
    assert hold_of(contests, 1000.0) == FIRST_HOLD_S
    assert hold_of(contests, 2000.0 + CALM_S) == FIRST_HOLD_S


class Numbering(MemoryMachine):
    """Gives each tunnel that is made another number, as the kernel does."""

    def execute(self, action: actions.Action) -> None:
        super().execute(action)
        if isinstance(action, actions.AddTunnel):
            self.links[action.name] = replace(self.links[action.name], index=100 + len(self.log))


def give_address(machine: MemoryMachine, address: str) -> None:
    """As a DHCP client does it; the kernel has taken out the routes with the address before."""
    on_it = "eth0"
    machine.addresses = [each for each in machine.addresses if each.interface != on_it or each.address.version == 6]
    machine.routes = [each for each in machine.routes if each.interface != on_it or each.destination.version == 6]
    machine.addresses.append(Address(on_it, IPv4Interface(address)))
    machine.routes.append(Route(IPv4Network("0.0.0.0/0"), on_it, IPv4Address("192.168.1.254"), metric=100))


def states_after(gateway: Appliance, addresses: Sequence[str]) -> list[dict[str, State]]:
    """Of the kinds, after each new address of an uplink by DHCP, one every two seconds."""
    assert gateway.uplink is not None
    appliance = replace(gateway, uplink=replace(gateway.uplink, address=None, gateway=None))
    bout = Bout(appliance, machine=Numbering())
    states = []
    for address in addresses:
        bout.now += 2.0
        give_address(bout.machine, address)
        outcomes = bout.reconciler.reconcile(bout.appliance, bout.machine)
        states.append({outcome.kind: outcome.state for outcome in outcomes})
    return states


@pytest.mark.parametrize("kind", ["routes", "addresses", "tunnel-sysctls", "units"])
def test_what_goes_with_an_address_that_is_another_is_no_contest(kind: str, gateway: Appliance) -> None:
    """A provider gives a new one every few seconds: with it go routes, all that is on the tunnel, what is served."""
    states = states_after(gateway, [f"192.168.1.{number}/24" for number in range(10, 10 + 3 * REPAIRS)])
    assert {each[kind] for each in states} == {State.OK}


def test_what_goes_with_an_address_that_comes_again_is_one(gateway: Appliance) -> None:
    states = states_after(gateway, ["192.168.1.10/24"] * (REPAIRS + 1))
    assert [each["routes"] for each in states] == [State.OK] * REPAIRS + [State.WAITING]


@dataclass(frozen=True)
class Lamp:
    """It shall be on."""

    key: str = "lamp"
    on: bool = True


class Lamps(Kind[Lamp]):
    """To whom it is a switch of a route, which others flip as well."""

    name = "lamps"
    setting = "lamps"
    interrupts = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Lamp]:
        return [Lamp()]

    def observe(self, machine: Machine, wanted: Sequence[Lamp]) -> Sequence[Lamp]:
        return [Lamp(on=machine.sysctl("lamp") == "1")]

    def actions(self, change: Change[Lamp]) -> Sequence[actions.Action]:
        return [actions.SetSysctl("lamp", "1")]


def test_the_reconciler_asks_the_kind_whether_it_interrupts(gateway: Appliance) -> None:
    machine, now = MemoryMachine(), 0.0
    reconciler = Reconciler([Lamps()], sleep=lambda _: None, clock=lambda: now)
    states = []
    for _ in range(3):
        now += 100.0
        machine.sysctls["lamp"] = "0"
        states += [outcome.state for outcome in reconciler.reconcile(gateway, machine)]
    assert states == [State.OK, State.OK, State.OK]
    now += 50.0
    machine.sysctls["lamp"] = "0"
    assert [outcome.state for outcome in reconciler.reconcile(gateway, machine)] == [State.WAITING]
    assert [outcome.state for outcome in reconciler.reconcile(replace(gateway), machine)] == [State.OK]


def test_one_thing_is_not_another() -> None:
    contests = Contests()
    for number in range(REPAIRS):
        contests.repaired("routes", "default", "this", float(number))
    assert contests.held("routes", "default", REPAIRS)
    assert not contests.held("routes", "another", REPAIRS)
    assert not contests.held("addresses", "default", REPAIRS)


def test_what_cannot_be_done_is_no_contest(gateway: Appliance) -> None:
    class Refusing(MemoryMachine):
        def execute(self, action: actions.Action) -> None:
            if isinstance(action, actions.SetRoute):
                raise TemporaryError("Network is unreachable")
            super().execute(action)

    bout = Bout(gateway, machine=Refusing())
    outcomes = [bout.after(100) for _ in range(REPAIRS + 1)]
    assert {outcome.error for outcome in outcomes} == {"Network is unreachable"}


def test_what_we_change_ourselves_is_no_contest() -> None:
    """A file is rendered anew with each fact that becomes known, and a boot makes many of them."""
    contests = Contests()
    assert not any(contests.repaired("files", "dnsmasq.conf", f"content {number}", 1.0) for number in range(50))
    assert [contests.repaired("files", "dnsmasq.conf", "the last", 1.0) for _ in range(REPAIRS)][-1]
