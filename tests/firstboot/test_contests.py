"""Something else keeps changing back what the daemon puts right."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot import actions
from firstboot.contests import CALM_S, FIRST_HOLD_S, LONGEST_HOLD_S, REPAIRS, WITHIN_S, Contests
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.sources import Source
from tests.firstboot.memory import MemoryMachine, count


@dataclass
class Bout:
    """A gateway, and a program that takes its default route away as often as it comes."""

    appliance: Appliance
    machine: MemoryMachine = field(default_factory=MemoryMachine)
    now: float = 1000.0
    writer: str = ""

    def __post_init__(self) -> None:
        self.reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: self.now, writer=self.asked)
        self.sources: list[Source] = []

    def asked(self, source: Source) -> str:
        self.sources.append(source)
        return self.writer if source is Source.ROUTES else ""

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
    outcomes = [bout.after(0.1) for _ in range(REPAIRS + 1)]
    assert outcomes[-1].error.startswith("something else keeps changing ")
    assert Source.ROUTES in bout.sources


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


def test_repairs_now_and_then_are_no_contest_and_calm_makes_forget() -> None:
    contests = Contests()
    assert not any(
        contests.repaired("routes", "default", "this", number * WITHIN_S / (REPAIRS - 2)) for number in range(50)
    )
    assert hold_of(contests, 1000.0) == FIRST_HOLD_S
    assert hold_of(contests, 2000.0 + CALM_S) == FIRST_HOLD_S


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
