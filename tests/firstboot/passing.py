"""The daemon's passes over a machine in memory, with the files of its own that it has beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firstboot import passes
from firstboot.history import History
from firstboot.kinds import KINDS
from firstboot.management import Visits
from firstboot.passes import Passed, Passes
from firstboot.sources import EVERYTHING, Source
from firstboot.status import Status
from tests.firstboot.memory import MemoryMachine


class MemoryHost(MemoryMachine):
    """With what a pass asks of a host beside."""

    def __init__(self, *what: str) -> None:
        """`what`: whatever else the machine is made of."""
        super().__init__(*what)
        self.due_reactions = SimpleNamespace(take_in=lambda: None, carry_out=lambda: False)
        silent = SimpleNamespace(take_in=lambda: None, look=lambda: False, ask_again=lambda: None)
        self.record, self.inquiry = silent, silent
        self.leases: tuple[str, ...] = ()
        self.visited: Callable[[], Visits] = lambda: Visits(self.facts())

    @property
    def correspondences(self) -> tuple[Any, ...]:
        """All that is talked of with a broker."""
        return (self.record, self.inquiry)

    def begin(self) -> None:
        """Nothing is remembered here."""

    def lease_lines(self) -> tuple[str, ...]:
        return self.leases

    def visits(self) -> Visits:
        return self.visited()


class Site:
    """A card, a disk, and a daemon's passes over a machine in memory; `told`: what D-Bus has of the last one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, custom: MemoryHost | None = None) -> None:
        """`custom`: a machine that was not made from an image."""
        names = ("STATUS", "STATUS_TEXT", "PART_LIST", "LOGIN_MESSAGE", "LAST_GOOD", "LEDS", "LED_BEFORE", "WWW")
        for name in (*names, "PROFILES"):
            monkeypatch.setattr(passes, name, folder / name.lower() / "file")
        self.custom, self.host, self.now_s = custom is not None, custom or MemoryHost(), 1000.0
        self.host.is_its_owners = self.custom
        self.profiles = folder / "profiles" / "file"
        self.card = folder / "fat" / "appliance.yaml"
        self.card.parent.mkdir()
        self.kept, self.status_file = folder / "last_good" / "file", folder / "status" / "file"
        self.told: list[Status] = []
        self.start()

    def start(self) -> None:
        """The daemon, for the first time or anew."""
        self.passes = Passes(
            self.card.parent,
            KINDS,
            History(),
            lambda told, content: self.told.append(told),
            alive=lambda: None,
            writer=lambda *_: "",
            custom=self.custom,
        )
        self.passes._reconciler._sleep = lambda _: None
        self.passes.configurations.trials._clock = lambda: self.now_s

    def make(self, seconds: float = 0.0) -> Passed:
        """A pass, so much later; while one has to follow at once, that as well."""
        self.now_s += seconds
        host: Any = self.host
        while (passed := self.passes.make(host, EVERYTHING)).judged:
            pass
        return passed

    def due(self, seconds: float) -> Source:
        self.now_s += seconds
        host: Any = self.host
        return self.passes.do_what_is_due(host)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.status_file.read_text()))

    def report(self) -> str:
        return self.passes.report._wanted
