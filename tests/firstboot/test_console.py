"""The gadget's serial port is nobody's when it is taken away."""

from __future__ import annotations

from typing import cast

import pytest

from firstboot.actions import RemoveGadget, ShowGadget
from firstboot.bus import Bus
from firstboot.gadget import configfs
from firstboot.gadget.layout import Layout
from firstboot.host import CONSOLE, Host
from firstboot.netlink import Netlink

LAYOUT = Layout([], {}, [])
STOPPED = [f"load {CONSOLE}", f"stop {CONSOLE}"]


class Recorder:
    """A bus and a configfs in one: what was done, in its order."""

    def __init__(self, patch: pytest.MonkeyPatch, *, has_console: bool, is_made: bool) -> None:
        self.done: list[str] = []
        patch.setattr(configfs, "has_console", lambda: has_console)
        patch.setattr(configfs, "is_made", lambda *_: is_made)
        patch.setattr(configfs, "show", lambda *_: self.done.append("show"))
        patch.setattr(configfs, "remove", lambda: self.done.append("remove"))

    def unit_is_active(self, name: str) -> bool:
        """systemd refuses to stop what nobody has asked it for before."""
        self.done.append(f"load {name}")
        return False

    def stop_unit(self, name: str) -> None:
        assert f"load {name}" in self.done, "no such unit"
        self.done.append(f"stop {name}")

    def host(self) -> Host:
        return Host(Netlink(), cast(Bus, self))


@pytest.mark.parametrize(
    ("has_console", "is_made", "expected"),
    [
        (True, False, [*STOPPED, "show"]),
        (True, True, ["show"]),
        (False, False, ["show"]),
    ],
    ids=["another one", "the same", "no serial port"],
)
def test_shown(monkeypatch: pytest.MonkeyPatch, has_console: bool, is_made: bool, expected: list[str]) -> None:
    recorder = Recorder(monkeypatch, has_console=has_console, is_made=is_made)
    recorder.host().execute(ShowGadget(LAYOUT))
    assert recorder.done == expected


def test_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch, has_console=True, is_made=True)
    recorder.host().execute(RemoveGadget())
    assert recorder.done == [*STOPPED, "remove"]
