"""Knowing whether hosts on a link are there, by asking them with ARP (RFC 826) all the time.

Each question has a thread of its own, which sleeps in the kernel: several times cheaper than an event loop's
timers and readers, and the idle daemon has 0.1 % of a Pi Zero's processor. Nothing is looked at as a whole for it:
only another answer wakes the daemon.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from ipaddress import IPv4Address
from threading import Event, Lock, Thread

from firstboot.sharing import Question

INTERVAL_S = 1.5
TIMEOUT_S = 0.4
TRIES = 3
"""Silent so often, one after the other, means gone: within INTERVAL_S + TRIES * TIMEOUT_S."""

ETH_P_ARP = 0x0806
SO_ATTACH_FILTER = 26
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _IPV4, _REQUEST, _REPLY = 1, 0x0800, 1, 2
_BROADCAST, _NO_MAC = b"\xff" * 6, bytes(6)

Answers = Mapping[tuple[str, IPv4Address], bool]


class Neighbours:
    """What is known of the hosts that are being asked. `on_change` is called from other threads."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self._on_change, self._lock = on_change, Lock()
        self._watches: dict[Question, _Watch] = {}
        self._answers: Answers = {}

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
            self._watches.update({question: _Watch(question, self._learn) for question in new})
        for question in new:
            self._watches[question].start()

    def _learn(self, question: Question, found: Mapping[IPv4Address, bool]) -> None:
        with self._lock:
            if question not in self._watches:
                return
            learnt = _without(self._answers, question)
            learnt.update({(question.interface, target): here for target, here in found.items()})
            changed, self._answers = learnt != self._answers, learnt
        if changed:
            self._on_change()


def _without(answers: Answers, question: Question) -> dict[tuple[str, IPv4Address], bool]:
    return {
        (interface, address): here
        for (interface, address), here in answers.items()
        if interface != question.interface or address not in question.targets
    }


class _Watch(Thread):
    """Asks one question until it is stopped."""

    def __init__(self, question: Question, learn: Callable[[Question, Mapping[IPv4Address, bool]], None]) -> None:
        super().__init__(name=f"neighbours of {question.interface}", daemon=True)
        self._question, self._learn, self._stopped = question, learn, Event()
        self._silent = dict.fromkeys(question.targets, 0)
        self._macs: dict[IPv4Address, bytes] = {}
        self._told: dict[IPv4Address, bool] = {}

    def stop(self) -> None:
        """End soon."""
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(_socket(self._question.interface)) as sock:
                    while not self._stopped.is_set():
                        self._note(asked(sock, self._question, self._macs))
                        self._stopped.wait(0 if self._is_in_doubt() else INTERVAL_S)
            except OSError:  # the interface is down, or gone
                self._note({})
                self._stopped.wait(TIMEOUT_S)

    def _note(self, heard: dict[IPv4Address, bytes]) -> None:
        self._macs, before = heard, dict(self._told)
        for target in self._question.targets:
            self._silent[target] = 0 if target in heard else self._silent[target] + 1
            if self._silent[target] in (0, TRIES):
                self._told[target] = target in heard
        if self._told != before:
            self._learn(self._question, dict(self._told))

    def _is_in_doubt(self) -> bool:
        return any(0 < silent < TRIES for silent in self._silent.values())


def asked(sock: socket.socket, question: Question, macs: Mapping[IPv4Address, bytes]) -> dict[IPv4Address, bytes]:
    """Ask once; the hardware addresses of those that answer within `TIMEOUT_S`.

    Of whom the hardware address is known (`macs`), nobody else is disturbed.
    """
    interface, _, _, _, own_mac = sock.getsockname()
    for target in question.targets:
        request = _ARP.pack(_ETHERNET, _IPV4, 6, 4, _REQUEST, own_mac, question.own.packed, _NO_MAC, target.packed)
        sock.sendto(request, (interface, ETH_P_ARP, 0, 0, macs.get(target, _BROADCAST)))
    wanted = {target.packed: target for target in question.targets}
    heard: dict[IPv4Address, bytes] = {}
    deadline = time.monotonic() + TIMEOUT_S
    while len(heard) < len(wanted) and (left_s := deadline - time.monotonic()) > 0:
        sock.settimeout(left_s)
        try:
            reply = sock.recv(64)
        except TimeoutError:
            break
        if len(reply) >= _ARP.size and reply[14:18] in wanted:
            heard[wanted[reply[14:18]]] = reply[8:14]
    return heard


def _socket(interface: str) -> socket.socket:
    """A socket for ARP on an interface, to which the kernel lets through nothing but replies."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
    try:
        # Classic BPF (linux/filter.h): load the half-word at 6, the operation; equal: all of it; else nothing.
        code = b"".join(
            struct.pack("=HBBI", *step)
            for step in ((0x28, 0, 0, 6), (0x15, 0, 1, _REPLY), (0x06, 0, 0, 64), (0x06, 0, 0, 0))
        )
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HL", 4, ctypes.addressof(buffer))
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        made.bind((interface, ETH_P_ARP))
    except BaseException:
        made.close()
        raise
    return made
