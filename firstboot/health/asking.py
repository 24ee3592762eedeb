"""One round of questions about the tunnel: all are asked at once, and whoever answers in time is there."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing, suppress
from ipaddress import IPv6Address

from firstboot.arp import Arp
from firstboot.echo import Echoes
from firstboot.health.evidence import Trace
from firstboot.health.question import Question
from firstboot.health.record import Round
from firstboot.health.server import Server
from firstboot.neighbours import answering
from firstboot.readable import readable

TIMEOUT_S = 1.0
SERVER_AFTER_S = 0.4
"""The server is asked over IPv4 only if so long after the questions an answer is missing."""

_SMALL, _SIZED = 1, 2
"""The numbers of the requests."""


def asked(
    question: Question, beyond: Collection[IPv6Address], *, size: int | None = None, trace: bool = False
) -> Round:
    """Ask the far end and these hosts beyond it (there may be none, where there is a far end), each once.

    `size`: also whether the far end answers a packet of so many bytes; `trace`: look how far packets get as well.
    Takes `TIMEOUT_S` at most, and the time that the uplink's router has to answer (`neighbours.TIMEOUT_S`) where the
    server does not.
    """
    return _Asking(question, beyond).answered(size, trace=trace)


class _Asking:
    """A round that is under way."""

    def __init__(self, question: Question, beyond: Collection[IPv6Address]) -> None:
        self._question, self._beyond = question, beyond
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._until = time.monotonic() + TIMEOUT_S
        self._heard: set[tuple[IPv6Address, int]] = set()

    def answered(self, size: int | None, *, trace: bool) -> Round:
        server: Server | None = None
        with suppress(OSError):  # the uplink has no such address any more
            if self._question.local is not None:
                server = Server(self._question.local, self._question.server, self._identifier)
        try:
            self._ask_through_the_tunnel(size, server, trace=trace)
        finally:
            if server is not None:
                server.close()
        return self._round(size, server)

    def _ask_through_the_tunnel(self, size: int | None, server: Server | None, *, trace: bool) -> None:
        awaited = {(host, _SMALL) for host in self._hosts}
        try:
            # Of several tunnels, the kernel might choose another one's address, which this one does not pass on.
            echoes = Echoes(self._question.interface, self._identifier, self._question.own)
        except OSError:  # there is no tunnel
            echoes = None
        with ExitStack() as stack:
            if echoes is not None:
                stack.enter_context(closing(echoes))
                for host, number in awaited:
                    with suppress(OSError):
                        echoes.ask(host, number)
            if server is not None:
                with suppress(OSError):
                    if trace:
                        server.follow(self._question.own, self._hosts[0])
                    if size is not None and self._question.far_end is not None:
                        awaited.add((self._question.far_end, _SIZED))
                        server.ask_far_end(self._question.own, self._question.far_end, _SIZED, size)
            self._listen(echoes, server, awaited)

    def _listen(
        self, echoes: Echoes | None, server: Server | None, awaited: Collection[tuple[IPv6Address, int]]
    ) -> None:
        """Until all have answered, or the time is up; the server is asked in between.

        What has come by then counts, also where this thread had no turn to hear it.
        """
        ask_server_at = self._until - TIMEOUT_S + SERVER_AFTER_S
        lines = [line for line in (echoes, server) if line is not None]
        while not self._heard.issuperset(awaited) and (now := time.monotonic()) < self._until + TIMEOUT_S:
            if now >= ask_server_at:
                ask_server_at = math.inf
                if server is not None:
                    with suppress(OSError):
                        server.ask()
            wait_s = max(0.0, min(self._until, ask_server_at) - now)
            ready = readable([each.socket for each in lines], wait_s)
            if not ready and now >= self._until:
                break
            for line in ready:
                if echoes is not None and line is echoes.socket:
                    heard = echoes.hear()
                    self._heard |= {heard} if heard is not None else set()
                elif server is not None:
                    server.hear()

    def _round(self, size: int | None, server: Server | None) -> Round:
        far_end = (self._question.far_end, _SMALL) in self._heard
        beyond = any((host, _SMALL) in self._heard for host in self._beyond) if self._beyond else None
        complete = all((host, _SMALL) in self._heard for host in self._hosts)
        there = None if complete else server is not None and server.answered
        return Round(
            far_end=far_end,
            beyond=beyond,
            server=there,
            next_hop=self._next_hop() if there is False else None,
            objections=frozenset(server.objections) if server is not None else frozenset(),
            trace=server.trace if server is not None else Trace(),
            size=self._size_passed(server) if size is not None else None,
        )

    @property
    def _hosts(self) -> Sequence[IPv6Address]:
        """All that are asked through the tunnel, the nearest first."""
        far_end = self._question.far_end
        return (far_end, *self._beyond) if far_end is not None else tuple(self._beyond)

    def _size_passed(self, server: Server | None) -> bool | None:
        if server is None or self._question.far_end is None:
            return None
        return server.told_too_large or (self._question.far_end, _SIZED) in self._heard

    def _next_hop(self) -> bool | None:
        """Whether the uplink's router answers; None where there is none to be asked (PPP)."""
        router, local = self._question.router, self._question.local
        if router is None or local is None:
            return None
        try:
            line = Arp(self._question.uplink, local, [router])
            with closing(line.socket):
                return router in answering([line], 1)
        except OSError:
            return False
