"""A week with 500 changes of address, many of them in a row, of a Pi with the strict broker: simulated."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from unittest.mock import patch

from appliance.model import Appliance, Broker, Uplink
from firstboot.actions import Action, NoteInterruption, TellBroker
from firstboot.broker.answers import Answer, answer_to
from firstboot.broker.memory import KnownRecord
from firstboot.broker.record import Record
from firstboot.facts import Address, Facts, Route
from firstboot.health.diagnosis import HEALTHY, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.reconcile import look
from firstboot.resources.broker import BrokerRecord
from image.lab.broker import Call, Desk
from tests.firstboot.memory import MemoryMachine

ACCOUNT = Broker(user="me", key="A1b2C3d4E5f6G7h8", tunnel=123456)
AUTHORIZATION = "Basic bWU6QTFiMkMzZDRFNWY2RzdoOA=="
WEEK_S, CHANGES = 7 * 86400.0, 500
GLANCE_S = 60.0
"""So often it is looked whether the tunnel is silent (daemon.GLANCE_S)."""

CALL_S = 0.4
NAT = IPv4Address("192.168.1.5")
KIND = BrokerRecord()


@dataclass
class Time:
    now_s: float = 0.0


SILENT = Evidence(far_end=False, beyond=False, address=IPv4Address("192.168.1.5"), has_route=True, server=True)
"""What is seen of a tunnel whose broker has another address, where nobody on the way tells anything."""


class Pi(MemoryMachine):
    """The daemon as far as the broker is concerned, with a memory that outlives it."""

    def __init__(self, appliance: Appliance, desk: Desk, folder: Path, time: Time, *, nat: bool) -> None:
        super().__init__()
        self.appliance, self.desk, self.time, self.nat = appliance, desk, time, nat
        self.files = {}
        self.memory = (folder / "lib.json", folder / "run.json")
        self.public = IPv4Address("203.0.113.1")
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.unheard = 0
        """Answers that came when the daemon was gone."""
        self.start()
        self.lease(self.public)

    def start(self) -> None:
        """What is under way when the daemon ends, the broker has heard all the same."""
        for _, call in self.calls:
            call()
            self.unheard += 1
        self.calls.clear()
        self.record = Record(*self.memory, self.ask, clock=lambda: self.time.now_s, begin=self.begin)

    def begin(self, call: Callable[[], None]) -> None:
        self.calls.append((self.time.now_s + CALL_S, call))

    def ask(self, account: Broker, local: IPv4Address) -> Answer:
        named = "" if self.nat else f"&myip={local}"
        return answer_to(200, self.desk.update(AUTHORIZATION, f"hostname={account.tunnel}{named}", self.public))

    def lease(self, public: IPv4Address) -> None:
        self.public = public
        self.addresses = [Address("eth0", IPv4Interface((NAT if self.nat else public, 24)))]
        self.routes = [Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.0.2.1"))]

    def cable(self, is_in: bool) -> None:
        self.links["eth0"] = replace(self.links["eth0"], carrier=is_in)

    def broker(self, rank: int) -> KnownRecord:
        return self.record.known()

    def facts(self) -> Facts:
        """Its tunnel is silent while the broker has another address."""
        carries = self.desk.endpoint == self.public
        self.health = Health(carries=carries, diagnosis=HEALTHY if carries else diagnosis(SILENT))
        return super().facts()

    def execute(self, action: Action) -> None:
        if isinstance(action, TellBroker):
            self.record.tell(action.broker, action.local)
        else:
            assert action == NoteInterruption()
            self.record.interrupted()

    def look_after(self) -> None:
        """A pass."""
        for done, call in self.calls[:]:
            if self.time.now_s >= done:
                self.calls.remove((done, call))
                call()
        self.record.take_in()
        self.record.look()
        for change in look(self.appliance, KIND, self).changes:
            for action in KIND.actions(change):
                self.execute(action)

    def live(self, until_s: float) -> None:
        """Whatever wakes the daemon until then."""
        while True:
            self.look_after()
            ended = [done for done, _ in self.calls]
            glance_s = self.time.now_s + GLANCE_S if self.desk.endpoint != self.public else until_s
            next_s = min([self.time.now_s + self.record.due_in_s(), glance_s, *ended])
            if next_s >= until_s:
                self.time.now_s = until_s
                return
            self.time.now_s = max(next_s, self.time.now_s + 0.001)


@dataclass
class Week:
    changes: int = 0
    quiet: int = 0
    """How many of them were left for a while, so that they could be told."""
    late_s: list[float] = field(default_factory=list)
    """How long each of these took."""
    unheard: int = 0
    """Answers that came when the daemon was gone."""
    calls: list[Call] = field(default_factory=list)
    """All that the broker had."""
    is_right: bool = False
    """Whether it has the last address in the end."""

    @property
    def words(self) -> list[str]:
        """What it answered, without the address."""
        return [call.answer.split()[0] for call in self.calls]

    @property
    def needless(self) -> int:
        """How many calls told nothing new."""
        return self.words.count("nochg")

    def told(self) -> str:
        """The figures."""
        late_s = sorted(self.late_s)
        return (
            f"{self.changes} changes of address: {len(self.calls)} calls, {self.needless} of them needless, "
            f"{self.words.count('abuse')} `abuse`; after the last change of a row it was right after "
            f"{late_s[len(late_s) // 2]:.0f} s (median), {late_s[-1]:.0f} s (longest)"
        )


def spend(pi: Pi, chance: random.Random) -> Week:
    """Changes at random times: alone, and in rows in which an address comes and goes; and power cuts in between."""
    week = Week()
    while week.changes < CHANGES:
        row = chance.choice([1, 1, 1, 2, 5, 12])
        before = pi.public
        for _ in range(row):
            was_out = chance.random() < 0.5
            if was_out:
                pi.cable(False)
                pi.live(pi.time.now_s + chance.uniform(0.1, 5))
            new = before if chance.random() < 0.2 else IPv4Address(f"203.0.113.{chance.randrange(1, 250)}")
            week.changes += new != pi.public
            pi.lease(new)
            pi.cable(True)
            pi.live(pi.time.now_s + chance.choice([0.2, 3.0, 20.0, 50.0]))
            if chance.random() < 0.05:
                pi.memory[1].unlink(missing_ok=True)
                pi.start()
        began = pi.time.now_s
        until = began + WEEK_S / CHANGES * row * chance.uniform(0.5, 1.5)
        while pi.desk.endpoint != pi.public and pi.time.now_s < until:
            pi.live(pi.time.now_s + 0.5)
        week.late_s.append(pi.time.now_s - began)
        week.quiet += 1
        pi.live(until)
    return week


def a_week(gateway: Appliance, folder: Path, *, nat: bool) -> Week:
    """Let it pass; `folder` is empty, and keeps the Pi's memory."""
    assert gateway.tunnel is not None
    appliance = replace(gateway, uplink=Uplink(interface="eth0"), tunnel=replace(gateway.tunnel, broker=ACCOUNT))
    time = Time()
    desk = Desk(ACCOUNT.user, ACCOUNT.key, ACCOUNT.tunnel, clock=lambda: time.now_s)
    with patch.object(os, "fsync"):  # nobody pulls the plug here, and it takes nearly all of the time
        pi = Pi(appliance, desk, folder, time, nat=nat)
        week = spend(pi, random.Random(97))
    week.unheard, week.calls, week.is_right = pi.unheard, list(desk.calls), desk.endpoint == pi.public
    return week
