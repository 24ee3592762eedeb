"""Two tunnels at one broker: whoever of several has something to say, it is never called a third time in a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

import pytest

from appliance.model import Broker
from firstboot.broker.answers import Answer, Word
from firstboot.broker.inquiry import Inquiry
from firstboot.broker.record import Record

HERE = IPv4Address("192.168.1.252")
ACCOUNTS = (Broker(user="me", key="K3y", tunnel=7), Broker(user="me", key="K3y", tunnel=8))
MINUTE_S, DAY_S = 60.0, 24 * 3600.0


@dataclass
class World:
    """All that a host has for the broker, and a clock; calls are answered at once."""

    folder: Path
    now_s: float = 1000.0
    answer: Answer = field(default_factory=lambda: Answer(Word.GOOD, IPv4Address("203.0.113.7")))
    called_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        def begin(call: Callable[[], None]) -> None:
            call()

        def files(name: str) -> tuple[Path, Path]:
            return self.folder / name, self.folder / f"{name} now"

        def clock() -> float:
            return self.now_s

        self.records = [Record(*files(f"record {n}"), self.ask, clock=clock, begin=begin) for n in range(2)]
        self.inquiries = [Inquiry(*files(f"inquiry {n}"), self.ask, clock=clock, begin=begin) for n in range(2)]
        self.all: tuple[Record | Inquiry, ...] = (*self.records, *self.inquiries)
        for each in self.all:
            each.others = [other for other in self.all if other is not each]

    def ask(self, account: Broker, local: IPv4Address) -> Answer:
        self.called_s.append(self.now_s)
        return self.answer

    def want_all(self, local: IPv4Address = HERE) -> None:
        """Each would call, if it may."""
        for rank, account in enumerate(ACCOUNTS):
            self.want(rank, account, local)

    def want(self, rank: int, account: Broker, local: IPv4Address = HERE) -> None:
        """The two of one tunnel would."""
        self.records[rank].tell(account, local)
        self.records[rank].take_in()
        self.inquiries[rank].ask(account, local)
        self.inquiries[rank].take_in()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_third_and_the_fourth_wait_for_a_minute(world: World) -> None:
    world.want_all()
    assert world.called_s == [1000.0, 1000.0]
    waiting = (world.records[1], world.inquiries[1])
    assert [each.due_in_s() for each in waiting] == [MINUTE_S] * 2
    world.now_s += MINUTE_S - 1
    world.want_all()
    assert len(world.called_s) == 2
    world.now_s += 1
    assert all(each.look() for each in waiting), "whoever waits is woken"
    world.want(1, ACCOUNTS[1])
    assert len(world.called_s) == 4


def test_of_one_tunnel_both_are_called_at_once(world: World) -> None:
    for local in (HERE, IPv4Address("192.168.1.9"), HERE):
        before = len(world.called_s)
        world.want(0, ACCOUNTS[0], local)
        assert len(world.called_s) == before + 2
        world.now_s += DAY_S


def test_what_did_not_reach_the_broker_keeps_nobody_waiting(world: World) -> None:
    world.answer = Answer(Word.NO_WAY)
    world.want_all()
    assert len(world.called_s) == 4


def test_whatever_happens_there_is_no_third_call_within_a_minute(world: World) -> None:
    random = Random(1)
    for _ in range(200):
        world.now_s += random.expovariate(1 / 20)
        if random.random() < 0.1:
            world.records[random.randrange(2)].suspect()
        world.want_all(random.choice([HERE, IPv4Address("192.168.1.9")]))
    assert len(world.called_s) > 20
    gaps = [third - first for first, third in zip(world.called_s, world.called_s[2:], strict=False)]
    assert min(gaps) >= MINUTE_S
