"""Knowing whether hosts on a link are there, by asking them all the time.

Each question has a thread of its own, which sleeps in the kernel: several times cheaper than an event loop's
timers and readers, and the idle daemon has 0.1 % of a Pi Zero's processor. Nothing is looked at as a whole for it:
only another answer wakes the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from ipaddress import IPv4Address, IPv6Address
from threading import Event, Lock, Thread

from firstboot import dhcp
from firstboot.arp import Arp
from firstboot.facts import Gateway
from firstboot.ndp import Ndp
from firstboot.readable import readable
from firstboot.sharing import Question

INTERVAL_S = 1.5
TIMEOUT_S = 0.4
TRIES = 3
"""Silent so often, one after the other, means gone: within INTERVAL_S + TRIES * TIMEOUT_S."""

STEADY = 3
"""Who was gone is back after so many answers in a row: what comes and goes is not offered."""

SERVING_AGAIN_S, SERVING_LONGEST_S = 2.0, 60.0
"""Whoever answered and served nobody is asked again for an address after that, and then ever later."""

Answers = Mapping[tuple[str, Gateway], bool]


class Neighbours:
    """What is known of the hosts that are being asked. `on_change` is called from other threads."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self._on_change, self._lock = on_change, Lock()
        self._watches: dict[Question, _Watch] = {}
        self._answers: Answers = {}
        self._gone: set[tuple[str, Gateway]] = set()
        """Who was gone when last asked: so a question that is put anew is not answered by who comes and goes."""

    @property
    def answers(self) -> Answers:
        """By interface and address: whether a host answers; of those about which it is known."""
        return self._answers

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask these from now on, and no others; of the others nothing is known any more."""
        with self._lock:
            for question in set(self._watches) - set(questions):
                self._watches.pop(question).stop()
                self._answers = _without(self._answers, question)
            new = [question for question in questions if question not in self._watches]
            self._watches.update({question: _Watch(question, self._learn, self._gone_of(question)) for question in new})
        for question in new:
            self._watches[question].start()

    def _learn(self, question: Question, found: Mapping[Gateway, bool]) -> None:
        with self._lock:
            if question not in self._watches:
                return
            learnt = _without(self._answers, question)
            told = {(question.interface, target): here for target, here in found.items()}
            learnt.update(told)
            self._gone = (self._gone - told.keys()) | {host for host, here in told.items() if not here}
            changed, self._answers = learnt != self._answers, learnt
        if changed:
            self._on_change()

    def _gone_of(self, question: Question) -> frozenset[Gateway]:
        return frozenset(target for target in question.targets if (question.interface, target) in self._gone)


def _without(answers: Answers, question: Question) -> dict[tuple[str, Gateway], bool]:
    return {
        (interface, address): here
        for (interface, address), here in answers.items()
        if interface != question.interface or address not in question.targets
    }


class _Watch(Thread):
    """Asks one question until it is stopped."""

    def __init__(
        self, question: Question, learn: Callable[[Question, Mapping[Gateway, bool]], None], gone: Collection[Gateway]
    ) -> None:
        super().__init__(name=f"neighbours of {question.interface}", daemon=True)
        self._question, self._learn, self._stopped = question, learn, Event()
        self._told = dict.fromkeys(gone, False)
        self._streak = dict.fromkeys(question.targets, 0)
        """How often each answered in a row; negative: how often it did not."""
        self._unserved: dict[Gateway, tuple[float, float]] = {}
        """Who gave out nothing: when to ask again, and how long to wait after that."""

    def stop(self) -> None:
        """End soon."""
        self._stopped.set()

    def run(self) -> None:
        if self._told:
            self._learn(self._question, dict(self._told))
        while not self._stopped.is_set():
            try:
                with ExitStack() as stack:
                    lines = []
                    for line in _lines(self._question):  # one may fail when another is open already
                        stack.enter_context(closing(line.socket))
                        lines.append(line)
                    while not self._stopped.is_set():
                        heard = answering(lines, len(self._question.targets))
                        self._note({host for host in heard if self._counts(host)})
                        self._stopped.wait(0 if self._is_in_doubt() else INTERVAL_S)
            except OSError:  # the interface is down, or gone
                self._note(frozenset())
                self._stopped.wait(TIMEOUT_S)

    def _note(self, heard: Collection[Gateway]) -> None:
        before = dict(self._told)
        for target in self._question.targets:
            here, streak = target in heard, self._streak[target]
            self._streak[target] = streak = max(streak, 0) + 1 if here else min(streak, 0) - 1
            gone_before = self._told.get(target) is False
            if streak in (-TRIES, STEADY if gone_before else 1):
                self._told[target] = here
        if self._told != before:
            self._learn(self._question, dict(self._told))

    def _counts(self, host: Gateway) -> bool:
        """Whether an answer is one. Who has been found to serve is not asked again while it answers."""
        if not self._question.serving or self._told.get(host) or not isinstance(host, IPv4Address):
            return True
        due_s, wait_s = self._unserved.get(host, (0.0, SERVING_AGAIN_S))
        if time.monotonic() < due_s:
            return False
        if dhcp.offers(self._question.interface, host):
            self._unserved.pop(host, None)
            return True
        self._unserved[host] = (time.monotonic() + wait_s, min(2 * wait_s, SERVING_LONGEST_S))
        return False

    def _is_in_doubt(self) -> bool:
        return any(-TRIES < streak < 0 for streak in self._streak.values())


def _lines(question: Question) -> Iterator[Arp | Ndp]:
    """What the hosts of each family are asked with."""
    ipv4 = [target for target in question.targets if isinstance(target, IPv4Address)]
    ipv6 = [target for target in question.targets if isinstance(target, IPv6Address)]
    if ipv4:
        yield Arp(question.interface, question.own, ipv4)
    if ipv6:
        yield Ndp(question.interface, ipv6)


def _failure(line: Arp | Ndp) -> OSError | None:
    """What kept it from asking: one family may have no address yet while the other has."""
    try:
        line.ask()
    except OSError as error:
        return error
    return None


def answering(lines: Sequence[Arp | Ndp], count: int) -> set[Gateway]:
    """Ask once; those that answer within `TIMEOUT_S`, of so many."""
    failed = [error for line in lines if (error := _failure(line)) is not None]
    if len(failed) == len(lines):
        raise failed[0]
    by_socket = {line.socket: line for line in lines}
    heard: set[Gateway] = set()
    deadline = time.monotonic() + TIMEOUT_S
    while len(heard) < count and (left_s := deadline - time.monotonic()) > 0:
        found = (by_socket[sock].hear() for sock in readable(by_socket, left_s))
        heard.update(host for host in found if host is not None)
    return heard
