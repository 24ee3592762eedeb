"""Reactions: settled, not too often, and remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import TemporaryError
from firstboot.actions import ReactSoon
from firstboot.reactions import Reactions

SOON = ReactSoon("restart it", ("eth0", "eth1"), settle_s=3, at_most_every_s=60, restart="it.service", run=())
MEMBERS = ("eth0",)


class World:
    def __init__(self, memory: Path) -> None:
        self.now, self.acts, self.error = 1000.0, list[ReactSoon](), ""
        self.memory = memory
        self.reactions = self.begun()

    def begun(self) -> Reactions:
        return Reactions(self.memory, self.act, lambda: self.now)

    def act(self, reaction: ReactSoon) -> None:
        if self.error:
            raise TemporaryError(self.error)
        self.acts.append(reaction)

    def after(self, seconds: float) -> int:
        """Time goes by; how often was something done?"""
        before, self.now = len(self.acts), self.now + seconds
        self.reactions.carry_out()
        return len(self.acts) - before


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "reactions.json")
    assert made.reactions.reacted(SOON.policy, MEMBERS) == (MEMBERS, "")
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
    assert world.acts == [other]
    assert world.reactions.reacted(SOON.policy, other.members) == (other.members, "")


def test_it_is_done_at_most_so_often_also_after_a_restart_of_the_daemon(world: World) -> None:
    world.reactions.soon(SOON)
    assert world.after(3) == 1
    world.reactions = world.begun()
    assert world.reactions.reacted(SOON.policy, MEMBERS) == (SOON.members, "")
    world.reactions.soon(replace(SOON, members=MEMBERS))
    assert world.after(59) == 0
    assert world.after(1) == 1


def test_what_is_as_before_is_no_change(world: World) -> None:
    world.reactions.soon(SOON)
    world.reactions.reacted(SOON.policy, MEMBERS)
    assert world.after(100) == 0


def test_what_failed_is_said_and_tried_again(world: World) -> None:
    world.error = "it.service failed"
    world.reactions.soon(SOON)
    assert world.after(3) == 0
    assert world.reactions.reacted(SOON.policy, SOON.members) == (MEMBERS, "it.service failed")
    world.error = ""
    assert world.after(30) == 0
    assert world.after(30) == 1
    assert world.reactions.reacted(SOON.policy, SOON.members) == (SOON.members, "")


@pytest.mark.parametrize("memory", [b"", b"{", b"[]", b'{"restart it": 3}', b"\xff"])
def test_a_memory_that_cannot_be_read_is_none(world: World, memory: bytes) -> None:
    world.memory.write_bytes(memory)
    assert world.begun().reacted(SOON.policy, MEMBERS) == (MEMBERS, "")


def test_who_only_wants_to_know_changes_nothing(world: World) -> None:
    """Of a policy that is another's idea nothing is remembered; what is due stays so."""
    remembered = world.memory.read_text()
    assert world.reactions.known("another policy", MEMBERS) == (MEMBERS, "")
    assert world.memory.read_text() == remembered
    world.reactions.soon(SOON)
    assert world.reactions.known(SOON.policy, MEMBERS) == (MEMBERS, "")
    assert world.after(SOON.settle_s) == 1
