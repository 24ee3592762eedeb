"""Reactions: settled, not too often, not without end, and remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance, ChangePolicy, Profile, Routing
from firstboot.actions import ReactSoon
from firstboot.command import Ended
from firstboot.kind import Reaction
from firstboot.kinds import KINDS
from firstboot.reactions import AFTERMATH_S, LONGEST_S, Reactions
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.reactions import Reactions as Kind
from tests.firstboot.memory import MemoryMachine

MEMBERS = ("eth0",)
MORE = ("eth0", "eth1")
SOON = ReactSoon("restart it", MORE, settle_s=3, at_most_every_s=60, restart="it.service", run=())
FAILED = TemporaryError("it.service failed", hint="it says why")


class World:
    def __init__(self, memory: Path) -> None:
        self.now, self.begun, self.refused, self.woken = 1000.0, list[ReactSoon](), "", 0
        self.ended: Ended = lambda _: None
        self.memory = memory
        self.reactions = self.start()

    def start(self) -> Reactions:
        return Reactions(self.memory, self.begin, self.wake, lambda: self.now)

    def wake(self) -> None:
        self.woken += 1

    def begin(self, reaction: ReactSoon, ended: Ended) -> None:
        if self.refused:
            raise TemporaryError(self.refused)
        self.begun.append(reaction)
        self.ended = ended

    def end(self, trouble: TemporaryError | None = None) -> None:
        self.ended(trouble)
        self.reactions.take_in()

    def after(self, seconds: float) -> int:
        """Time goes by; how often was something begun?"""
        before, self.now = len(self.begun), self.now + seconds
        self.reactions.carry_out()
        return len(self.begun) - before

    @property
    def known(self) -> Reaction:
        return self.reactions.known()[SOON.policy]

    def next_s(self) -> float:
        """After how long the next one began, at whose end other interfaces are there."""
        began, number = self.now, len(self.begun)
        self.reactions.soon(replace(SOON, members=(f"eth{number}",)))
        assert self.after(self.reactions.due_in_s()) == 1
        self.end()
        return self.now - began


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "reactions.json")
    made.reactions.note(SOON.policy, MEMBERS)
    return made


def test_it_waits_until_nothing_more_changes(world: World) -> None:
    world.reactions.soon(SOON)
    assert world.reactions.due_in_s() == 3
    assert world.after(2) == 0
    world.reactions.soon(SOON)  # the same once more is no change
    assert world.reactions.due_in_s() == 1
    other = replace(SOON, members=("eth0", "eth1", "eth2"))
    world.reactions.soon(other)
    assert world.after(2) == 0
    assert world.after(1) == 1
    world.end()
    assert world.begun == [other]
    assert world.known == Reaction(other.members)


def test_it_is_done_at_most_so_often_also_after_a_restart_of_the_daemon(world: World) -> None:
    world.reactions.soon(SOON)
    assert world.after(3) == 1
    world.end()
    world.reactions = world.start()
    assert world.known.members == MORE
    world.reactions.soon(replace(SOON, members=MEMBERS))
    assert world.after(59) == 0
    assert world.after(1) == 1


def test_what_is_as_before_is_no_change(world: World) -> None:
    world.reactions.soon(SOON)
    world.reactions.note(SOON.policy, MEMBERS)
    assert world.after(100) == 0
    assert world.known == Reaction(MEMBERS)


def test_what_nobody_wants_any_more_is_not_due(world: World) -> None:
    world.reactions.soon(SOON)
    world.reactions.forget(SOON.policy)
    assert world.after(1000) == 0
    assert world.reactions.known() == world.start().known() == {}


@pytest.mark.parametrize("refused", ["", "there is no system bus"])
def test_what_failed_is_said_and_tried_again(world: World, refused: str) -> None:
    world.refused = refused
    world.reactions.soon(SOON)
    assert world.after(3) == (0 if refused else 1)
    if not refused:
        world.end(FAILED)
    assert world.known.members == world.start().known()[SOON.policy].members == MEMBERS
    assert world.known.trouble is not None
    assert world.known.trouble.message == (refused or FAILED.message)
    world.refused = ""
    world.reactions.soon(SOON)
    assert world.after(59) == 0
    assert world.after(1) == 1
    world.end()
    assert world.known == Reaction(MORE)


def test_however_long_it_takes_it_is_not_begun_again(world: World) -> None:
    world.reactions.soon(SOON)
    assert world.after(3) == 1
    assert world.known == Reaction(MORE, under_way=True)
    assert world.after(1000) == 0
    assert world.start().known() == {SOON.policy: Reaction(MORE)}, "the next daemon does not begin it either"
    world.reactions.soon(replace(SOON, members=MEMBERS))  # what changes meanwhile has to wait
    assert world.after(1000) == 0
    assert world.woken == 0
    world.end()
    assert world.woken == 1
    assert world.after(0) == 1


def test_an_end_that_comes_after_the_policy_is_gone_is_nobodys(world: World) -> None:
    world.reactions.soon(SOON)
    world.after(3)
    world.reactions.forget(SOON.policy)
    world.reactions.note(SOON.policy, MEMBERS)
    world.end()
    assert world.known == Reaction(MEMBERS)


def test_what_changes_the_very_interfaces_that_it_is_done_for_is_done_ever_more_rarely(world: World) -> None:
    assert [round(world.next_s()) for _ in range(8)] == [3, 60, 120, 240, 480, LONGEST_S, LONGEST_S, LONGEST_S]
    world.reactions.soon(SOON)
    assert (world.known.repeats, world.known.every_s) == (8, LONGEST_S)
    world.reactions = world.start()
    world.reactions.soon(SOON)
    assert world.known.every_s == LONGEST_S, "also where it restarts the daemon"


def test_that_may_go_on_for_weeks(world: World) -> None:
    world.memory.write_text(json.dumps({SOON.policy: [MEMBERS, world.now, 5000]}))
    world.reactions = world.start()
    world.reactions.soon(SOON)
    assert world.reactions.due_in_s() == LONGEST_S


def test_what_changes_while_it_is_under_way_may_be_its_own_doing(world: World) -> None:
    world.reactions.soon(SOON)
    world.after(3)
    world.now += AFTERMATH_S + 1
    world.reactions.soon(replace(SOON, members=MEMBERS))
    assert world.known.repeats == 1


def test_at_a_change_that_is_not_its_own_all_is_as_at_first(world: World) -> None:
    assert [round(world.next_s()) for _ in range(4)] == [3, 60, 120, 240]
    world.now += AFTERMATH_S + 1
    assert round(world.next_s()) == 60 - AFTERMATH_S - 1
    assert [round(world.next_s()) for _ in range(2)] == [60, 120]
    world.reactions.soon(SOON)
    world.now += AFTERMATH_S + 1
    world.reactions.soon(replace(SOON, members=("eth0", "eth2")))
    assert world.reactions.due_in_s() == 60 - AFTERMATH_S - 1


def test_what_fails_again_and_again_is_tried_ever_more_rarely_until_something_changes(world: World) -> None:
    world.refused = FAILED.message
    waits = []
    for _ in range(4):
        world.reactions.soon(SOON)
        waits.append(world.reactions.due_in_s())
        world.after(waits[-1])
        world.after(0)
    assert waits == [3, 60, 120, 240]
    world.now += AFTERMATH_S + 1
    world.reactions.soon(replace(SOON, members=("eth0", "eth2")))
    assert world.reactions.due_in_s() == 60 - AFTERMATH_S - 1


def test_even_without_an_interval_there_is_a_second_between_two(world: World) -> None:
    at_once = replace(SOON, settle_s=0, at_most_every_s=0)
    world.reactions.soon(at_once)
    assert world.after(0) == 1
    world.end()
    world.reactions.soon(replace(at_once, members=MEMBERS))
    assert world.after(0.9) == 0
    assert world.after(0.2) == 1


@pytest.mark.parametrize("memory", [b"", b"{", b"[]", b'{"restart it": 3}', b'{"restart it": [["eth0"], 3]}', b"\xff"])
def test_a_memory_that_cannot_be_read_is_none(world: World, memory: bytes) -> None:
    world.memory.write_bytes(memory)
    assert world.start().known() == {}


def test_a_memory_that_cannot_be_written_keeps_nothing_from_being_done(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.memory.unlink()
    world.memory.mkdir()
    world.reactions.soon(SOON)
    assert world.after(3) == 1
    assert "cannot be written" in caplog.text


POLICY = ChangePolicy(interface="eth*", restart="it.service")
IN_WORDS = "restart it.service for interface eth*"


def outcome(machine: MemoryMachine, *policies: ChangePolicy) -> Outcome:
    appliance = Appliance(profile=Profile.CUSTOM, routing=Routing(on_interface_change=policies))
    (found,) = Reconciler([Kind()], sleep=lambda _: None).reconcile(appliance, machine)
    return found


@pytest.mark.parametrize(
    ("known", "error", "hint"),
    [
        (Reaction((), under_way=True), "it is under way", ""),
        (Reaction(()), "once they have settled", ""),
        (Reaction((), trouble=FAILED), "it.service failed", "it says why"),
        (
            Reaction((), repeats=3, every_s=240),
            "each time that it is done these interfaces change, 3 times in a row: at most every 240 s for now",
            "",
        ),
        (
            Reaction((), trouble=FAILED, repeats=2, every_s=120),
            "it.service failed, 2 times in a row: at most every 120 s for now",
            "it says why",
        ),
    ],
)
def test_why_it_is_not_done_yet_is_told(known: Reaction, error: str, hint: str) -> None:
    machine = MemoryMachine("eth0")
    machine.reacted[IN_WORDS] = known
    told = outcome(machine, POLICY)
    assert (told.state, told.error, told.hint) == (State.WAITING, f"{IN_WORDS}: {error}", hint)


def test_a_policy_that_is_none_any_more_is_forgotten() -> None:
    machine = MemoryMachine("eth0")
    assert outcome(machine, POLICY).done == (f"{IN_WORDS}: not for eth0 (0), but for other ones",)
    assert outcome(machine, POLICY) == Outcome("reactions", State.OK)
    assert outcome(machine).done == (f"{IN_WORDS}: not any more",)
    assert machine.reacted == {}


def test_what_is_due_is_not_done_in_another_profile(gateway: Appliance) -> None:
    machine = MemoryMachine("eth0")
    machine.reacted[IN_WORDS] = Reaction((), due=SOON)
    Reconciler(KINDS, sleep=lambda _: None).reconcile(gateway, machine)
    assert machine.reacted == {}


def test_interfaces_that_are_again_as_they_were_are_no_change() -> None:
    machine = MemoryMachine("eth0")
    outcome(machine, POLICY)
    gone = machine.links.pop("eth0")
    assert outcome(machine, POLICY).state is State.WAITING
    assert machine.reacted[IN_WORDS].due is not None
    assert outcome(machine, POLICY).done == (), "it is planned already"
    machine.links["eth0"] = gone
    assert outcome(machine, POLICY).state is State.OK
    assert machine.reacted[IN_WORDS].due is None
