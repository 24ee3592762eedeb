"""Whoever asks has a turn, and the machine has most of the time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from appliance.errors import TemporaryError
from firstboot.turns import MOST, REST, Turns


class World:
    """Time goes by only where something takes some."""

    def __init__(self) -> None:
        self.now_s, self.slept = 1000.0, list[float]()
        self.turns = Turns(lambda: self.now_s, self.sleep)
        self.under_way = self.most = 0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds

    async def ask(self, *parts_s: float, waited_s: float = 0.0) -> None:
        async with self.turns.turn():
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            self.now_s += waited_s
            for part_s in parts_s:
                self.turns.timed(partial(self.pass_by, part_s))
            self.under_way -= 1


@pytest.fixture
def world() -> World:
    return World()


def test_one_after_the_other(world: World) -> None:
    async def many() -> None:
        await asyncio.gather(*(world.ask(1) for _ in range(MOST)))

    asyncio.run(many())
    assert world.most == 1
    assert world.slept == [0] + (MOST - 1) * [REST]


def test_who_asks_next_waits_for_the_others_share(world: World) -> None:
    asyncio.run(world.ask(0.5, 1.5, waited_s=20))
    world.now_s += 1
    asyncio.run(world.ask(1))
    assert world.slept == [0, 2 * REST - 1]
    world.now_s += 100
    asyncio.run(world.ask(1))
    assert world.slept[-1] == 0


def test_too_many_are_sent_away(world: World) -> None:
    async def many() -> list[BaseException | None]:
        return await asyncio.gather(*(world.ask(1) for _ in range(MOST + 2)), return_exceptions=True)

    assert [type(refused) for refused in asyncio.run(many()) if refused] == [TemporaryError] * 2
    asyncio.run(world.ask(1))


def test_who_ends_with_an_error_leaves_the_turn_to_others(world: World) -> None:
    def fail() -> None:
        world.pass_by(1)
        raise TemporaryError("no")

    async def ask() -> None:
        async with world.turns.turn():
            world.turns.timed(fail)

    for _ in range(MOST + 1):
        with pytest.raises(TemporaryError, match="no"):
            asyncio.run(ask())
    assert world.slept[1:] == [REST] * MOST
