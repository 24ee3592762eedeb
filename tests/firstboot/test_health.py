"""What rounds of questions, one after the other, make of a tunnel: whether it carries, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.health.asking import TIMEOUT_S
from firstboot.health.diagnosis import Fault, diagnosis
from firstboot.health.evidence import Objection, Trace
from firstboot.health.hysteresis import MISSES, STEADY_S, Hysteresis, Presence
from firstboot.health.prober import INTERVAL_S
from firstboot.health.question import Question
from firstboot.health.record import BEYOND_EVERY, FULL_EVERY_S, RECENT, Record, Round
from firstboot.health.server import hops_of_41, hops_of_echo
from firstboot.health.sizes import SMALLEST, TRIES, Sizes

ADDRESS, SERVER = IPv4Address("192.168.1.252"), IPv4Address("216.66.84.46")
ASKED = Question(
    interface="he-ipv6",
    own=IPv6Address("2001:db8:5::2"),
    far_end=IPv6Address("2001:db8:5::1"),
    local=ADDRESS,
    server=SERVER,
    uplink="eth0",
    router=IPv4Address("192.168.1.254"),
    has_route=True,
    has_tunnel=True,
    full=1480,
)
ALL = Round(far_end=True, beyond=True)
NONE = Round(far_end=False, beyond=False, server=True)
MUTE = Round(far_end=False, beyond=True, server=True)
NOT_BEYOND = Round(far_end=True, beyond=False, server=True)
NOBODY_ELSE = Round(far_end=True, beyond=None)
LONGEST_TO_DEATH_S, LONGEST_BEYOND_S = 8.0, 14.0
"""Of the 10 s until a network is told, the rest is for telling it. Of what is beyond, less is asked."""


@dataclass
class Asking:
    """Rounds, each at its time."""

    record: Record
    now_s: float = 1000.0

    def rounds(self, *found: Round) -> Asking:
        for each in found:
            self.now_s += TIMEOUT_S if self.record.is_in_doubt else INTERVAL_S
            self.record = self.record.after(each, ASKED, self.now_s)
        return self

    def meets(self, *, far_end: bool, beyond: bool) -> Round:
        """One more round, of those that the prober makes, where these answer or do not."""
        is_asked = self.record.life.is_in_doubt or self.record.is_beyond_due
        found = Round(far_end, beyond if is_asked else None, server=True)
        self.rounds(found)
        return found

    @property
    def fault(self) -> Fault:
        return diagnosis(self.record.evidence(ASKED)).fault

    @property
    def alive(self) -> bool | None:
        return self.record.life.alive


@pytest.fixture
def well() -> Asking:
    return Asking(Record(Sizes(ASKED.full))).rounds(ALL)


class TestLife:
    def test_the_first_answer_suffices(self, well: Asking) -> None:
        assert well.alive is True
        assert well.fault is Fault.HEALTHY

    @pytest.mark.parametrize("before", range(2 * BEYOND_EVERY))
    @pytest.mark.parametrize(("far_end", "longest_s"), [(False, LONGEST_TO_DEATH_S), (True, LONGEST_BEYOND_S)])
    def test_silence_is_death_within_its_time(self, well: Asking, before: int, far_end: bool, longest_s: float) -> None:
        for _ in range(before):
            well.meets(far_end=True, beyond=True)
        began = well.now_s
        while well.alive:
            well.meets(far_end=far_end, beyond=False)
        assert well.now_s - began + TIMEOUT_S <= longest_s

    def test_a_moment_is_not(self, well: Asking) -> None:
        for _ in range(20):
            well.rounds(*(MISSES - 1) * [NONE], ALL)
            assert well.alive

    def test_who_was_dead_must_be_steady(self, well: Asking) -> None:
        well.rounds(*MISSES * [NONE])
        assert well.alive is False
        began = well.now_s
        while not well.alive:
            well.rounds(ALL)
            assert well.fault is (Fault.HEALTHY if well.alive else Fault.RECOVERING)
        assert STEADY_S <= well.now_s - began <= STEADY_S + 2 * INTERVAL_S

    @pytest.mark.parametrize(("lost", "anew"), [([NONE], False), ([NONE, NONE], True), ([NONE, ALL, NONE], True)])
    def test_a_second_miss_meanwhile_and_it_begins_anew(self, well: Asking, lost: list[Round], anew: bool) -> None:
        well.rounds(*MISSES * [NONE])
        well.rounds(*5 * [ALL], *lost)
        began = well.now_s
        while not well.alive:
            well.rounds(ALL)
        assert (well.now_s - began >= STEADY_S) is anew

    @pytest.mark.parametrize("period", [[ALL, NONE], [*4 * [ALL], *4 * [NONE]], [*9 * [ALL], *5 * [NONE]]])
    def test_what_comes_and_goes_changes_nothing_more(self, well: Asking, period: list[Round]) -> None:
        changes = changed(well, period * 40)
        assert changes <= 1

    def test_two_changes_are_never_closer_than_the_time_to_be_steady(self, well: Asking) -> None:
        """A tunnel that dies each time that it has just been offered again."""
        at = []
        for each in [*14 * [ALL], *4 * [NONE]] * 20:
            before = well.alive
            well.rounds(each)
            if well.alive and not before:
                at.append(well.now_s)
        assert at
        assert all(later - earlier > STEADY_S for earlier, later in pairwise(at))

    def test_after_power_on_there_is_nothing_to_be_steady_about(self) -> None:
        """The uplink may take its time; nobody was offered anything yet."""
        asking = Asking(Record(Sizes(ASKED.full))).rounds(*50 * [NONE])
        assert asking.alive is None
        assert asking.rounds(ALL).alive is True

    def test_what_was_offered_when_the_daemon_ended_stays_offered(self) -> None:
        asking = Asking(Record(Sizes(ASKED.full), Hysteresis(alive=True)))
        assert asking.rounds(NONE).alive is True
        assert asking.rounds(*MISSES * [NONE]).alive is False


def changed(asking: Asking, rounds: Iterable[Round]) -> int:
    changes = 0
    for each in rounds:
        before = asking.alive
        changes += asking.rounds(each).alive != before
    return changes


class TestStrangers:
    """Who is beyond is asked seldom, as long as the far end answers."""

    def test_in_health_one_round_of_some_asks_them(self, well: Asking) -> None:
        asked = [well.meets(far_end=True, beyond=True).beyond for _ in range(6 * BEYOND_EVERY)]
        assert asked == 6 * [*(BEYOND_EVERY - 1) * [None], True]
        assert well.fault is Fault.HEALTHY

    def test_a_far_end_that_misses_once_has_them_asked_at_once(self, well: Asking) -> None:
        assert well.meets(far_end=False, beyond=True).beyond is None
        assert well.record.is_in_doubt
        assert well.meets(far_end=True, beyond=True).beyond is True
        assert not well.record.is_in_doubt and well.alive
        assert well.meets(far_end=True, beyond=True).beyond is None

    @pytest.mark.parametrize("record", [Record(Sizes(ASKED.full)), Record(Sizes(ASKED.full), Hysteresis(alive=True))])
    def test_a_far_end_that_never_answers_has_them_asked_in_each_round(self, record: Record) -> None:
        asking = Asking(record)
        assert all(asking.meets(far_end=False, beyond=True).beyond for _ in range(3 * RECENT))
        assert asking.alive and not asking.record.is_in_doubt

    def test_while_it_is_dead_or_recovers_each_round_asks_them(self, well: Asking) -> None:
        while well.alive:
            well.meets(far_end=False, beyond=False)
        assert [well.meets(far_end=False, beyond=False).beyond for _ in range(BEYOND_EVERY)] == BEYOND_EVERY * [False]
        while not well.alive:
            assert well.meets(far_end=True, beyond=True).beyond

    def test_an_answer_of_the_far_end_is_none_of_theirs(self, well: Asking) -> None:
        well.rounds(*MISSES * [NONE])
        assert well.alive is False
        assert well.rounds(*50 * [NOBODY_ELSE]).alive is False


class TestFindings:
    """What the rounds tell, beside life and death."""

    def test_nobody_has_answered_yet(self) -> None:
        asking = Asking(Record(Sizes(ASKED.full)))
        assert asking.fault is Fault.NOT_KNOWN
        assert asking.rounds(*(MISSES - 1) * [NONE]).fault is Fault.NOT_KNOWN
        assert asking.rounds(NONE).fault is Fault.PROTOCOL_41

    def test_the_server_is_gone(self, well: Asking) -> None:
        well.rounds(*MISSES * [replace(NONE, server=False, next_hop=True)])
        assert well.fault is Fault.SERVER_UNREACHABLE

    def test_an_answer_of_its_that_is_lost_is_nothing(self, well: Asking) -> None:
        well.rounds(*MISSES * [NONE], replace(NONE, server=False, next_hop=True))
        assert well.fault is Fault.PROTOCOL_41

    def test_the_router_is_gone(self, well: Asking) -> None:
        well.rounds(*MISSES * [replace(NONE, server=False, next_hop=False)])
        assert well.fault is Fault.NO_UPLINK

    def test_what_was_objected_counts_until_something_answers(self, well: Asking) -> None:
        objecting = replace(NONE, objections=frozenset({Objection(SERVER, 2)}))
        assert well.rounds(objecting, *MISSES * [NONE]).fault is Fault.STALE_ENDPOINT
        assert well.rounds(ALL, *MISSES * [NONE]).fault is Fault.PROTOCOL_41

    def test_how_far_packets_get_is_put_together(self, well: Asking) -> None:
        hops = {number: IPv4Address(f"10.0.0.{number}") for number in range(1, 4)}
        assert not well.record.is_trace_due
        well.rounds(NONE)
        assert well.record.is_trace_due
        well.rounds(replace(NONE, trace=Trace(hops, {1: hops[1]})), replace(NONE, trace=Trace({}, {3: hops[3]})), NONE)
        assert well.fault is Fault.STALE_ENDPOINT

    def test_another_network_has_another_way(self, well: Asking) -> None:
        well.rounds(replace(NONE, objections=frozenset({Objection(SERVER, 2)})), *MISSES * [NONE])
        well.record = well.record.elsewhere()
        assert well.alive is False
        assert well.rounds(NONE).fault is Fault.PROTOCOL_41

    def test_a_far_end_that_never_answers_is_no_fault(self) -> None:
        asking = Asking(Record(Sizes(ASKED.full))).rounds(*3 * RECENT * [MUTE])
        assert asking.alive
        assert asking.fault is Fault.HEALTHY
        assert not asking.record.is_size_due(asking.now_s)

    def test_what_limits_is_told_by_what_is_lost_while_the_server_answers(self, well: Asking) -> None:
        well.rounds(*RECENT * [ALL, MUTE])
        assert well.alive
        assert well.fault is Fault.RATE_LIMITED
        assert well.rounds(*RECENT * [ALL]).fault is Fault.HEALTHY

    def test_what_the_uplink_loses_is_not_limited(self, well: Asking) -> None:
        well.rounds(*RECENT * [ALL, replace(MUTE, server=False)])
        assert well.fault is Fault.HEALTHY

    def test_what_was_dead_was_not_limited(self, well: Asking) -> None:
        well.rounds(*RECENT * [NONE])
        well.rounds(*RECENT * [ALL])
        assert well.fault is Fault.HEALTHY

    def test_a_dead_beyond(self, well: Asking) -> None:
        assert well.rounds(*MISSES * [NOT_BEYOND]).fault is Fault.BEYOND
        assert well.alive is False


class TestPresence:
    @pytest.mark.parametrize(
        ("answers", "known"),
        [([], None), ([True], True), ([False], None), ([False, False], False), ([True, False], True)],
    )
    def test_known(self, answers: list[bool], known: bool | None) -> None:
        found = Presence()
        for answer in answers:
            found = found.after(answer).after(None)
        assert found.known is known


class TestSizes:
    """The largest packet that passes is found to the byte."""

    @pytest.mark.parametrize("largest", [SMALLEST, SMALLEST + 1, 1280, 1400, 1452, 1479])
    def test_it_is_found(self, largest: int) -> None:
        sizes, tries = Sizes(1480), 0
        while sizes.largest is None:
            sizes, tries = sizes.after(sizes.to_try <= largest), tries + 1
        assert sizes.largest == largest
        assert tries <= TRIES * 11

    def test_full_packets_pass(self) -> None:
        sizes = Sizes(1480).after(True)
        assert (sizes.largest, sizes.is_in_doubt, sizes.to_try) == (None, False, 1480)

    def test_what_is_lost_now_and_then_is_nothing(self) -> None:
        sizes = Sizes(1480)
        for _ in range(TRIES - 1):
            sizes = sizes.after(False)
        assert sizes.is_in_doubt
        assert sizes.after(True) == Sizes(1480)

    def test_full_packets_pass_again(self) -> None:
        sizes = Sizes(1480, passes=1400, fails=1401)
        assert sizes.to_try == 1480
        for _ in range(5):  # the full one is lost again, and the largest passes again
            for passed in (*TRIES * [False], True):
                sizes = sizes.after(passed)
                assert sizes.largest == 1400
        assert sizes.after(True) == Sizes(1480)

    def test_the_way_has_become_narrower(self) -> None:
        sizes, narrow = Sizes(1480, passes=1400, fails=1401), 1300
        while sizes.largest != narrow:
            sizes = sizes.after(sizes.to_try <= narrow)
            assert sizes.largest in (1400, None, narrow)

    def test_when_they_are_tried(self, well: Asking) -> None:
        assert well.record.is_size_due(well.now_s)
        well.rounds(replace(ALL, size=True))
        assert not well.record.is_size_due(well.now_s)
        assert well.record.is_size_due(well.now_s + FULL_EVERY_S)
        well.rounds(replace(ALL, size=False))
        assert well.record.is_size_due(well.now_s)
        assert well.record.is_in_doubt

    def test_nothing_is_said_of_sizes_where_small_packets_are_lost(self, well: Asking) -> None:
        well.rounds(*2 * TRIES * [replace(MUTE, size=False)])
        assert well.record.sizes == Sizes(1480)

    def test_the_black_hole_is_found(self, well: Asking) -> None:
        began = well.now_s
        while well.fault is not Fault.MTU:
            well.rounds(replace(ALL, size=well.record.sizes.to_try <= 1380))
        assert well.record.evidence(ASKED).largest == 1380
        assert well.record.carries
        assert well.now_s - began < 60

    def test_one_in_which_even_the_least_vanishes_is_offered_to_nobody(self, well: Asking) -> None:
        while well.fault is not Fault.MTU:
            well.rounds(replace(ALL, size=well.record.sizes.to_try <= 1200))
        assert well.alive and not well.record.carries
        assert well.record.is_size_due(well.now_s + FULL_EVERY_S), "it is looked whether it is better by now"
        well.rounds(replace(ALL, size=True))
        assert well.record.carries


@given(quoted=st.binary(max_size=60), identifier=st.integers(0, 0xFFFF))
def test_whatever_somebody_quotes_is_read(quoted: bytes, identifier: int) -> None:
    assert hops_of_echo(quoted, identifier) >= 0
    assert hops_of_41(quoted) >= 0
