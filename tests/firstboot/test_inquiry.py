"""A daemon's passes and a broker that is asked what the tunnel is: from the account alone to another tunnel."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import PermanentError
from appliance.he import BrokerTunnel
from appliance.model import Broker
from firstboot import actions, files
from firstboot.broker.answers import Answer, Word
from firstboot.broker.description import DAY_S
from firstboot.broker.inquiry import Inquiry
from firstboot.facts import Facts
from firstboot.reconcile import Outcome, State
from tests.appliance.test_completion import SAID, text
from tests.firstboot.passing import MemoryHost, Site

ELSEWHERE = replace(SAID, server=IPv4Address("203.0.113.9"))
RENUMBERED = replace(SAID, routed=IPv6Network("2001:db8:9::/64"))
GOOD = Answer(Word.GOOD, tunnel=SAID)
MINUTE_S, HOUR_S = 60.0, 3600.0


class Host(MemoryHost):
    """With the real inquiry, and a broker that says what it shall."""

    inquiry: Any

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.paths = folder / "lib" / "tunnel.json", folder / "run" / "tunnel.json"
        self.clock_s, self.asked, self.answer = 1000.0, list[Broker](), GOOD
        self.calls: list[Callable[[], None]] = []
        self.start()

    def start(self) -> None:
        """A daemon begins."""
        self.inquiry = Inquiry(*self.paths, self.ask, clock=lambda: self.clock_s, begin=self.calls.append)

    def ask(self, account: Broker, local: IPv4Address) -> Answer:
        self.asked.append(account)
        return self.answer

    def facts(self) -> Facts:
        return replace(super().facts(), broker_tunnels=(self.inquiry.said(),))

    def description(self, rank: int) -> Any:
        return self.inquiry.known()

    def execute(self, action: actions.Action) -> None:
        if isinstance(action, actions.AskBroker):
            self.inquiry.ask(action.broker, action.local)
        elif isinstance(action, actions.TakeOver):
            self.inquiry.take_over(action.tunnel)
        else:
            super().execute(action)


class World:
    """A Pi with a broker, whose calls are answered at once."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site, self.host = Site(folder, monkeypatch), Host(folder)
        self.site.host = self.host
        self.write(text())

    def write(self, content: str) -> None:
        self.site.card.write_text(content, encoding="utf-8")

    def go_on(self, seconds: float = 0.0, answer: Answer | None = None) -> Outcome:
        """So much later; what the broker then says, if it is asked; and how the kind ends."""
        self.host.clock_s += seconds
        self.host.answer = answer or self.host.answer
        for _ in range(4):
            self.site.make()
            while self.host.calls:
                self.host.calls.pop()()
        return self.outcome

    @property
    def outcome(self) -> Outcome:
        return next(each for each in self.site.told[-1].outcomes if each.kind == "tunnel-information")

    @property
    def used(self) -> BrokerTunnel | None:
        found: BrokerTunnel | None = self.host.inquiry.said()
        return found

    def history(self) -> str:
        return "\n".join(self.site.passes._history.of("tunnel-information"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_from_the_account_alone_to_a_tunnel(world: World) -> None:
    world.site.make()
    assert world.outcome.error == "the broker has not yet said what the tunnel is: it is being asked"
    assert world.go_on().state is State.OK
    assert world.host.links["he-ipv6"].remote == SAID.server and len(world.host.asked) == 1
    assert "take over what the broker gives: server 198.51.100.100, " in world.history()


def test_it_is_remembered_while_the_machine_is_off(world: World) -> None:
    world.go_on()
    assert [path.stat().st_mode & 0o777 for path in world.host.paths] == [0o600, 0o600]
    world.host.paths[1].unlink()
    world.host.clock_s = 30.0
    world.host.start()
    world.site.start()
    world.host.links["eth0"] = replace(world.host.links["eth0"], carrier=False)
    world.host.routes.clear()
    assert world.go_on().state is State.OK, "nobody can be asked, and nobody need be"
    assert world.host.links["he-ipv6"].remote == SAID.server and len(world.host.asked) == 1


def test_a_machine_that_is_off_every_night_compares_it_too(world: World) -> None:
    world.go_on()
    for boots in range(1, 4):
        world.host.paths[1].unlink()
        world.host.clock_s = 30.0
        world.host.start()
        world.site.start()
        world.go_on(HOUR_S - MINUTE_S)
        assert len(world.host.asked) == boots, "not at once: it may be restarted all the time"
        assert world.go_on(2 * MINUTE_S).state is State.OK
        assert len(world.host.asked) == boots + 1


def test_it_is_compared_once_a_day(world: World) -> None:
    world.go_on()
    for _ in range(23):
        world.go_on(HOUR_S)
    assert len(world.host.asked) == 1
    assert 0 < world.host.inquiry.due_in_s() <= HOUR_S
    assert world.go_on(HOUR_S, Answer(Word.GOOD, tunnel=ELSEWHERE)).state is State.OK
    assert (len(world.host.asked), world.used) == (2, ELSEWHERE)
    assert world.host.links["he-ipv6"].remote == ELSEWHERE.server
    assert "take over what the broker now gives: server 203.0.113.9" in world.history()
    world.go_on(MINUTE_S)
    assert len(world.host.asked) == 2


SICK = [Word.SILENCE, Word.NONSENSE, Word.WEB_PAGE, Word.TROUBLE, Word.NO_WAY, Word.UNTRUSTED, Word.TOO_OFTEN]


@pytest.mark.parametrize("word", SICK)
def test_what_was_remembered_stays_whatever_comes(world: World, word: Word) -> None:
    world.go_on()
    assert world.go_on(DAY_S + 1, Answer(word)).state is State.OK, "the tunnel that is known goes on"
    assert (len(world.host.asked), world.used) == (2, SAID)
    assert world.site.told[-1].appliance.known_tunnel is not None


@pytest.mark.parametrize("word", SICK)
def test_what_is_wrong_is_said_while_nothing_is_known(world: World, word: Word) -> None:
    assert world.go_on(answer=Answer(word)).state is State.WAITING
    assert world.outcome.error.startswith(Answer(word).meaning.told) and world.outcome.hint
    asked = len(world.host.asked)
    world.go_on(max(0.0, Answer(word).meaning.wait_s - 10.0))
    assert len(world.host.asked) == asked or world.host.inquiry.known().memory.wait_s < 10.0
    assert world.go_on(25 * HOUR_S, GOOD).state is State.OK


@pytest.mark.parametrize("word", [Word.BAD_ACCOUNT, Word.NO_TUNNEL])
def test_what_is_final_waits_for_a_person(world: World, word: Word) -> None:
    assert world.go_on(answer=Answer(word)).state is State.FAILED
    assert world.outcome.setting == f"tunnel.{Answer(word).meaning.setting}"
    world.go_on(30 * DAY_S, GOOD)
    assert len(world.host.asked) == 1, "it is of no use"
    world.site.passes.ask_again()
    assert world.go_on().state is State.OK and len(world.host.asked) == 2


def test_another_key_is_tried_after_a_minute(world: World) -> None:
    world.go_on(answer=Answer(Word.BAD_ACCOUNT))
    world.write(text().replace("K3yOfTheTunnel", "AnotherKey"))
    world.go_on(MINUTE_S - 1.0, GOOD)
    assert len(world.host.asked) == 1
    assert world.go_on(2.0).state is State.OK
    assert [account.key for account in world.host.asked] == ["K3yOfTheTunnel", "AnotherKey"]


def test_a_tunnel_that_was_deleted_is_said_and_used_on(world: World) -> None:
    world.go_on()
    assert world.go_on(DAY_S, Answer(Word.NO_TUNNEL)).state is State.FAILED
    assert world.used == SAID and "he-ipv6" in world.host.links


def test_a_change_that_does_not_go_with_the_file_is_not_taken_over(world: World) -> None:
    world.go_on()
    found = world.go_on(DAY_S, Answer(Word.GOOD, tunnel=RENUMBERED))
    assert (found.state, found.setting, world.used) == (State.FAILED, "firewall.allow_in[0].to", SAID)
    world.write(text().replace("2001:db8:123d:abc::2", "2001:db8:9::2"))
    assert world.go_on().state is State.OK and world.used == RENUMBERED
    assert len(world.host.asked) == 2, "it is known already"


def test_who_asks_for_it_has_it_compared_now(world: World) -> None:
    """A /48 was just assigned on the page."""
    world.go_on()
    world.site.passes.ask_again()
    world.go_on(2 * MINUTE_S, Answer(Word.GOOD, tunnel=ELSEWHERE))
    assert world.used == ELSEWHERE


def test_of_another_tunnel_nothing_is_known(world: World) -> None:
    world.go_on()
    world.write(text().replace("123456", "7"))
    world.go_on(MINUTE_S / 2, Answer(Word.GOOD, tunnel=replace(ELSEWHERE, number=7)))
    assert (world.outcome.state, len(world.host.asked)) == (State.WAITING, 1), "the broker counts all calls"
    assert "he-ipv6" not in world.host.links
    assert world.go_on(MINUTE_S).state is State.OK
    assert world.host.links["he-ipv6"].remote == ELSEWHERE.server


def test_a_daemon_that_is_restarted_all_the_time_asks_once(world: World) -> None:
    for _ in range(20):
        world.host.start()
        world.go_on(10.0, Answer(Word.SILENCE))
    assert len(world.host.asked) <= 20 * 10 / MINUTE_S + 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"is_over": true}', '{"said": {"server": "x"}, "is_over": true}'])
def test_a_file_that_is_damaged_is_a_call_a_moment_ago(world: World, content: str) -> None:
    for path in world.host.paths:
        files.replace(path, content.encode())
    world.host.start()
    world.go_on()
    assert not world.host.asked and not math.isinf(world.host.inquiry.due_in_s())
    assert world.go_on(2 * MINUTE_S).state is State.OK


def test_a_full_disk_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise PermanentError("no space")

    with monkeypatch.context() as patched:
        patched.setattr("firstboot.broker.storage.files.replace", full)
        world.host.inquiry.ask(Broker(user="me", key="K3yOfTheTunnel", tunnel=123456), IPv4Address("192.168.1.252"))
    assert len(world.host.calls) == 1


def test_neither_key_nor_user_is_written_down(world: World) -> None:
    world.go_on()
    for path in world.host.paths:
        content = path.read_text(encoding="utf-8")
        assert json.loads(content)["said"]["server"] == "198.51.100.100"
        assert "K3yOfTheTunnel" not in content and "jane" not in content
    told = str((world.site.told[-1].outcomes, world.history(), world.site.report(), world.site.status()))
    assert "K3yOfTheTunnel" not in told
