"""What is remembered of the broker, and when it may be asked again."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from appliance.model import Broker
from firstboot import files
from firstboot.broker.answers import Answer, Word
from firstboot.broker.memory import GOOD_IN_A_ROW, KnownRecord, Memory
from firstboot.broker.record import Record

ACCOUNT = Broker(user="me", key="A1b2C3d4E5f6G7h8", tunnel=123456)
HERE, THERE, PUBLIC = IPv4Address("192.168.1.5"), IPv4Address("192.168.1.6"), IPv4Address("203.0.113.7")
GOOD = Answer(Word.GOOD, PUBLIC)
HOUR_S = 3600.0


class World:
    """A machine that can be turned off, and a broker that says what it shall."""

    def __init__(self, folder: Path) -> None:
        self.lasting, self.fleeting = folder / "lib" / "broker.json", folder / "run" / "broker.json"
        self.now_s, self.woken = 1000.0, 0
        self.answer: Answer | Exception = GOOD
        self.asked: list[tuple[Broker, IPv4Address]] = []
        self.calls: list[Callable[[], None]] = []
        self.start()

    def start(self) -> None:
        """The daemon, for the first time or anew."""
        self.record = Record(
            self.lasting, self.fleeting, self.ask, self.wake, clock=lambda: self.now_s, begin=self.calls.append
        )

    def boot(self) -> None:
        """The machine was off: nobody knows for how long."""
        self.fleeting.unlink(missing_ok=True)
        self.now_s = 30.0
        self.start()

    def ask(self, account: Broker, local: IPv4Address) -> Answer:
        self.asked.append((account, local))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def wake(self) -> None:
        self.woken += 1

    def tell(self, answer: Answer | Exception | None = None, local: IPv4Address = HERE, **account: str | int) -> bool:
        """Whether the broker is told when somebody wants it."""
        self.answer = answer or self.answer
        self.record.tell(replace(ACCOUNT, **account), local)  # type: ignore[arg-type]
        begun, calls = bool(self.calls), self.calls[:]
        self.calls.clear()
        for call in calls:
            call()
        self.record.take_in()
        return begun

    def after(self, seconds: float) -> World:
        self.now_s += seconds
        while self.record.due_in_s() <= 0:
            self.record.look()
        return self

    @property
    def known(self) -> Memory:
        return self.record.known().memory


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_told_at_once_and_what_it_has_is_known(world: World) -> None:
    assert world.known == Memory() and world.record.due_in_s() == math.inf
    assert world.tell()
    assert (world.asked, world.woken) == ([(ACCOUNT, HERE)], 1)
    assert (world.known.told_by, world.known.address, world.known.word) == (HERE, PUBLIC, Word.GOOD)


def test_while_it_is_being_told_nobody_tells_it_again(world: World) -> None:
    world.record.tell(ACCOUNT, HERE)
    assert world.record.known().under_way
    world.now_s += 1000
    world.record.tell(ACCOUNT, THERE)
    assert len(world.calls) == 1


WAITS_S = {
    Word.UNPINGABLE: [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600],
    Word.TOO_OFTEN: [3600, 7200, 14400, 28800, 57600, 86400, 86400],
    Word.TROUBLE: [1800, 3600, 7200, 14400, 21600, 21600],
    Word.WEB_PAGE: [600, 1200, 2400, 3600, 3600],
    Word.EMPTY: [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600],
    Word.NONSENSE: [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600],
    Word.SILENCE: [60, 120, 240, 480, 960, 1920, 3600, 3600],
    Word.UNTRUSTED: [10, 20, 40, 80, 160, 320, 600, 600],
    Word.NO_NAME: [2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
    Word.NO_WAY: [2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
}


@pytest.mark.parametrize("word", WAITS_S)
def test_how_long_it_is_not_asked_again(word: Word, world: World) -> None:
    for wait_s in WAITS_S[word]:
        assert world.tell(Answer(word))
        assert not world.after(wait_s - 0.1).tell()
        world.after(0.1)
    assert world.tell(GOOD)


@pytest.mark.parametrize(
    ("word", "wait_s"),
    [
        (Word.GOOD, 60),
        (Word.UNPINGABLE, 60),
        (Word.WEB_PAGE, 60),
        (Word.SILENCE, 60),
        (Word.TOO_OFTEN, 7200),
        (Word.TROUBLE, 3600),
        (Word.EMPTY, 1200),
        (Word.NONSENSE, 1200),
    ],
)
def test_how_long_it_is_not_told_of_another_address(word: Word, wait_s: float, world: World) -> None:
    for _ in range(2):
        assert world.after(100_000).tell(Answer(word, PUBLIC if word is Word.GOOD else None))
    assert not world.after(wait_s - 0.1).tell(GOOD, THERE)
    assert world.after(0.1).tell(GOOD, THERE)


@pytest.mark.parametrize("word", [Word.UNTRUSTED, Word.NO_NAME, Word.NO_WAY])
def test_what_never_came_to_the_broker_holds_up_no_other_address(word: Word, world: World) -> None:
    for _ in range(3):
        world.after(1000).tell(Answer(word))
    assert not world.tell(GOOD)
    assert world.tell(GOOD, THERE)


def test_the_same_thing_wrong_again_after_something_else_begins_anew(world: World) -> None:
    world.tell(Answer(Word.TROUBLE))
    world.after(HOUR_S).tell(Answer(Word.TROUBLE))
    assert world.known.wait_s == HOUR_S
    world.after(HOUR_S).tell(GOOD)
    world.after(HOUR_S).tell(Answer(Word.TROUBLE), THERE)
    assert world.known.wait_s == HOUR_S / 2


def test_an_error_of_ours_is_an_answer_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert world.tell(RuntimeError("a bug"))
    assert (world.known.word, world.known.detail) == (Word.UNKNOWN, "a bug in the appliance: RuntimeError")
    assert ACCOUNT.key not in caplog.text


@pytest.mark.parametrize("word", [Word.BAD_ACCOUNT, Word.NO_TUNNEL, Word.BAD_PROGRAM])
def test_what_is_final_stops_until_the_account_is_another(word: Word, world: World) -> None:
    world.tell(Answer(word))
    world.after(30 * 24 * HOUR_S)
    assert not world.tell() and not world.tell(local=THERE)
    world.boot()
    assert not world.after(HOUR_S).tell()
    assert world.tell(GOOD, key="another")


def test_what_is_final_is_asked_again_when_a_person_says_so(world: World) -> None:
    world.tell(Answer(Word.NO_TUNNEL))
    world.record.ask_again()
    assert not world.after(59).tell(), "not as often as a person can type"
    assert world.after(1).tell(GOOD)
    world.record.ask_again()
    assert world.known.is_suspected, "also where all seemed well"
    assert world.after(60).tell(GOOD) and not world.known.is_suspected


def test_a_person_need_not_wait_for_what_others_doubted_in_vain(world: World) -> None:
    world.tell()
    for _ in range(8):
        world.record.suspect()
        assert world.after(6 * HOUR_S).tell(Answer(Word.UNCHANGED, PUBLIC))
    world.record.ask_again()
    assert world.after(60).tell()


def test_nobody_who_has_no_broker_gets_a_file(world: World) -> None:
    world.record.ask_again()
    world.record.interrupted()
    assert not world.lasting.exists() and not world.fleeting.exists()


def test_of_another_tunnel_nothing_is_known_but_when_it_was_asked(world: World) -> None:
    world.tell(Answer(Word.TOO_OFTEN))
    assert not world.after(HOUR_S - 1).tell(GOOD, tunnel=7)
    assert world.after(1).tell(GOOD, tunnel=7)
    assert (world.known.tunnel, world.known.address, world.known.repeats) == (7, PUBLIC, 0)


def test_a_doubt_that_was_none_makes_the_next_ones_wait(world: World) -> None:
    world.tell()
    for wait_s in (60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600):
        world.record.suspect()
        assert not world.after(wait_s - 1).tell(), wait_s
        assert world.after(1).tell(Answer(Word.UNCHANGED, PUBLIC)), wait_s
    world.record.suspect()
    assert world.after(60).tell(local=THERE), "another address of ours is no doubt"
    world.after(60).record.interrupted()
    assert world.tell(Answer(Word.GOOD, IPv4Address("203.0.113.8")), THERE), "one that was right begins anew"
    world.record.interrupted()
    assert world.after(60).tell(local=THERE)


def test_doubts_of_long_ago_make_no_later_one_wait(world: World) -> None:
    """A router that is restarted every night, with the same address each time, and then once more with another."""
    world.tell()
    for _ in range(12):
        world.after(24 * HOUR_S).record.interrupted()
        assert world.tell(Answer(Word.UNCHANGED, PUBLIC))
    world.after(120).record.interrupted()
    assert world.tell(Answer(Word.GOOD, IPv4Address("203.0.113.8")))


def test_nor_do_those_of_a_machine_that_was_off(world: World) -> None:
    world.tell()
    for _ in range(12):
        world.after(HOUR_S).boot()
        world.record.interrupted()
        assert world.tell(Answer(Word.UNCHANGED, PUBLIC))
    world.after(60).boot()
    world.record.interrupted()
    assert world.after(120).tell(), "what was not over begins anew, and no more"


@pytest.mark.parametrize("word", [Word.NO_NAME, Word.NO_WAY, Word.UNTRUSTED])
def test_a_doubt_of_which_the_broker_has_not_heard_is_tried_again_soon(word: Word, world: World) -> None:
    """A router that was restarted gives out addresses long before it leads anywhere."""
    world.tell()
    for _ in range(6):
        world.after(6 * HOUR_S).record.suspect()
        assert world.tell(Answer(Word.UNCHANGED, PUBLIC))
    world.after(6 * HOUR_S).record.suspect()
    for wait_s in WAITS_S[word]:
        assert world.tell(Answer(word))
        assert not world.after(wait_s - 0.1).tell()
        world.after(0.1)
    assert world.tell(Answer(Word.GOOD, IPv4Address("203.0.113.8")))


def test_an_address_that_somebody_had_changed_at_the_broker_was_a_doubt_with_reason(world: World) -> None:
    """It says "good" of the one that it had taken before, and not that nothing changed."""
    world.tell()
    for _ in range(3):
        world.record.suspect()
        assert world.after(60).tell(GOOD)
    assert world.known.unfounded == 0


def test_a_broker_that_says_good_of_everything_is_not_told_all_the_time(world: World) -> None:
    world.tell()
    for _ in range(GOOD_IN_A_ROW):
        world.record.suspect()
        assert world.after(60).tell(GOOD)
    world.record.suspect()
    assert not world.after(60).tell(GOOD)
    assert world.after(60).tell(GOOD)


def test_a_doubt_while_it_is_being_told_is_not_forgotten(world: World) -> None:
    world.tell()
    world.after(60).record.tell(ACCOUNT, THERE)
    world.record.interrupted()
    world.calls.pop()()
    world.record.take_in()
    assert (world.known.told_by, world.known.is_interrupted) == (THERE, True)


def test_whoever_waits_is_woken_at_the_end_of_each_cool_down(world: World) -> None:
    world.tell(Answer(Word.UNPINGABLE))
    for wait_s in (60, 540):
        assert world.record.due_in_s() == wait_s
        world.now_s += wait_s
        assert world.record.look()
        assert not world.record.look()
    assert world.record.due_in_s() == math.inf


def test_the_next_daemon_goes_on_counting(world: World) -> None:
    world.tell()
    world.now_s += 50
    world.start()
    assert (world.known.told_by, world.known.address) == (HERE, PUBLIC)
    assert not world.tell(local=THERE)
    world.now_s += 10
    assert world.tell(local=THERE)


def test_after_the_machine_was_off_all_of_a_cool_down_is_waited_for(world: World) -> None:
    world.tell(Answer(Word.TOO_OFTEN))
    world.after(HOUR_S - 1)
    world.boot()
    assert not world.after(HOUR_S - 1).tell()
    assert world.after(1).tell(Answer(Word.TOO_OFTEN))
    world.boot()
    assert world.known.wait_s == 2 * HOUR_S, "that it has been said before is known as well"


@pytest.mark.parametrize("word", [Word.NO_NAME, Word.NO_WAY, Word.UNTRUSTED])
def test_after_the_machine_was_off_what_did_not_reach_the_broker_waits_a_minute(word: Word, world: World) -> None:
    """Whoever restarts his router and the Pi need not wait for what was in vain before."""
    for wait_s in WAITS_S[word]:
        assert world.tell(Answer(word))
        world.after(wait_s)
    world.tell()
    world.boot()
    assert not world.after(59).tell()
    assert world.after(1).tell()
    assert not world.after(WAITS_S[word][0] - 0.1).tell()
    assert world.after(0.1).tell(GOOD)


def test_after_the_machine_was_off_what_was_over_stays_over(world: World) -> None:
    world.tell()
    world.after(61)
    world.boot()
    assert (world.known.told_by, world.known.address) == (HERE, PUBLIC)
    assert world.tell(local=THERE)


def test_a_power_cut_while_it_is_told_is_a_call_all_the_same(world: World) -> None:
    world.tell()
    world.after(61).record.tell(ACCOUNT, THERE)
    world.calls.clear()
    world.boot()
    assert (world.known.told_by, world.known.address) == (HERE, PUBLIC), "what it has now, nobody knows"
    assert not world.after(59).tell(local=THERE)
    assert world.after(1).tell(local=THERE)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"{}", b"\xff\x00", b'{"is_over": true, "word": "x"}', b'{"is_over": true, "asked_by": 7.5}'],
)
def test_a_damaged_memory_is_nothing_known_but_a_call_a_moment_ago(damaged: bytes, world: World) -> None:
    world.tell()
    world.after(1000)
    for path in (world.fleeting, world.lasting):
        path.write_bytes(damaged)
        world.start()
        assert (world.known.told_by, world.known.word) == (None, Word.UNKNOWN), path
        assert not world.record.known().may_be_told(ACCOUNT, HERE)
        world.fleeting.unlink(missing_ok=True)
    world.lasting.write_bytes(damaged)
    world.boot()
    assert not world.after(59).tell()
    assert world.after(1).tell()


def test_a_disk_that_is_full_is_said_and_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replace_, lasting = files.replace, world.lasting

    def full(path: Path, content: bytes, mode: int) -> None:
        if path == lasting:
            raise PermanentError(f"{path} cannot be written: No space left on device")
        replace_(path, content, mode)

    monkeypatch.setattr(files, "replace", full)
    with caplog.at_level(logging.WARNING):
        assert world.tell()
    assert "No space left" in caplog.text
    world.start()
    assert not world.tell(local=THERE), "the next daemon knows of it all the same"


def test_the_key_is_in_no_file_and_files_are_roots_alone(world: World) -> None:
    world.tell()
    for path in (world.lasting, world.fleeting):
        content = path.read_text()
        assert ACCOUNT.key not in content and ACCOUNT.user not in content
        assert json.loads(content)["address"] == str(PUBLIC)
        assert path.stat().st_mode & 0o777 == 0o600
    assert ACCOUNT.key not in repr(KnownRecord(world.known, 0.0)) + repr(world.known)
