"""What of the system bus's signals wakes the daemon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant

from appliance.errors import ApplianceError, TemporaryError
from firstboot.bus import Bus


@pytest.mark.parametrize(
    ("unit", "wakes"),
    [
        ("appliance-dnsmasq.service", True),
        ("NetworkManager.service", True),
        ("ssh.service", True),
        ("NetworkManager-dispatcher.service", False),
        ("apt-daily.service", False),
    ],
)
def test_only_the_units_that_matter_wake(unit: str, wakes: bool) -> None:
    """A machine's other units come and go all day long."""
    changes: list[str] = []
    bus = Bus(asyncio.new_event_loop(), on_unit_change=lambda: changes.append(unit))
    bus._on_job_removed("/org/freedesktop/systemd1", [7, "/org/freedesktop/systemd1/job/7", unit, "done"])
    assert bool(changes) is wakes


def test_coming_back_from_suspend_wakes_and_going_does_not() -> None:
    changes: list[str] = []
    bus = Bus(asyncio.new_event_loop(), on_unit_change=lambda: None)
    bus.listen = listened = AsyncMock()  # type: ignore[method-assign]
    asyncio.run(bus.on_resume(lambda: changes.append("resumed")))
    heard = listened.call_args.args[3]
    heard("/org/freedesktop/login1", [True])
    assert not changes
    heard("/org/freedesktop/login1", [False])
    assert changes == ["resumed"]


@pytest.mark.parametrize(
    ("path", "properties", "wakes"),
    [
        ("/unit/asked", {"ActiveState": Variant("s", "failed")}, True),
        ("/unit/asked", {"ActiveState": Variant("s", "inactive")}, True),
        ("/unit/asked", {"ActiveState": Variant("s", "activating")}, False),
        ("/unit/asked", {"NRestarts": Variant("u", 1)}, False),
        ("/unit/another", {"ActiveState": Variant("s", "failed")}, False),
    ],
)
def test_a_unit_that_ends_by_itself_wakes(path: str, properties: dict[str, Variant], wakes: bool) -> None:
    changes: list[str] = []
    bus = Bus(asyncio.new_event_loop(), on_unit_change=lambda: changes.append(path))
    bus._followed.add("/unit/asked")
    bus._on_properties_changed(path, ["org.freedesktop.systemd1.Unit", properties, []])
    assert bool(changes) is wakes


class Systemd:
    """A bus on a loop of its own, and what systemd says there. `early`: a job's end is told before the job's name."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.early, self.asked, self.wakes = loop, "", list[tuple[Any, ...]](), 0
        self.ended: list[ApplianceError | None] = []
        self.told = threading.Event()
        self.bus = Bus(loop, on_unit_change=self.woken)
        self.bus.call = self.call  # type: ignore[method-assign]

    def woken(self) -> None:
        self.wakes += 1

    async def call(self, where: tuple[str, str, str], member: str, signature: str = "", *body: Any) -> list[Any]:
        destination, path, interface = where
        message = Message(destination, path, interface, member, signature=signature, body=list(body), serial=1)
        message._marshall(negotiate_unix_fd=False)  # type: ignore[no-untyped-call]
        self.asked.append((member, *body))
        if self.early:
            self.bus._on_job_removed("", [1, f"/job/{len(self.asked)}", body[0], self.early])
        return [f"/job/{len(self.asked)}"]

    def on_end(self, trouble: ApplianceError | None) -> None:
        self.ended.append(trouble)
        self.told.set()

    def end(self, job: int, unit: str, result: str) -> None:
        self.loop.call_soon_threadsafe(self.bus._on_job_removed, "", [job, f"/job/{job}", unit, result])
        assert self.told.wait(5)
        self.told.clear()


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Systemd(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize(("result", "problem"), [("done", None), ("failed", "it.service: RestartUnit ended as failed")])
def test_a_restart_that_is_begun_is_not_waited_for(systemd: Systemd, result: str, problem: str | None) -> None:
    systemd.bus.begin_restart("it.service", systemd.on_end)
    assert systemd.asked == [("RestartUnit", "it.service", "replace")]
    assert systemd.ended == []
    systemd.end(1, "it.service", result)
    assert [trouble and trouble.message for trouble in systemd.ended] == [problem]


def test_what_ends_before_its_name_is_known_has_ended(systemd: Systemd) -> None:
    systemd.early = "done"
    systemd.bus.begin_restart("it.service", systemd.on_end)
    assert systemd.told.wait(5)
    systemd.bus.restart_unit("another.service")
    systemd.early = "failed"
    with pytest.raises(TemporaryError, match=r"it\.service: StopUnit ended as failed"):
        systemd.bus.stop_unit("it.service")
    assert systemd.ended == [None]


def test_others_are_waited_for_and_heard_of_while_one_is_under_way(systemd: Systemd) -> None:
    systemd.bus.begin_restart("it.service", systemd.on_end)
    systemd.early = "done"
    systemd.bus.restart_unit("ssh.service")
    assert systemd.wakes == 0, "whoever waits looks by himself"
    systemd.loop.call_soon_threadsafe(systemd.bus._on_job_removed, "", [7, "/job/7", "ssh.service", "done"])
    systemd.end(1, "it.service", "done")
    assert systemd.wakes == 1
    assert systemd.ended == [None]


def test_a_program_is_a_unit_of_its_own(systemd: Systemd) -> None:
    systemd.bus.begin_program("appliance-run-1.service", ("/bin/renew", "a b"), 600, systemd.on_end)
    ((member, unit, mode, properties, others),) = systemd.asked
    assert (member, unit, mode, others) == ("StartTransientUnit", "appliance-run-1.service", "fail", [])
    assert {name: value.value for name, value in properties} == {
        "Description": "/bin/renew 'a b'",
        "Type": "oneshot",
        "ExecStart": [["/bin/renew", ["/bin/renew", "a b"], False]],
        "TimeoutStartUSec": 600_000_000,
        "CollectMode": "inactive-or-failed",
    }
    systemd.end(1, unit, "failed")
    (trouble,) = systemd.ended
    assert trouble is not None
    assert trouble.message == "appliance-run-1.service ended as failed"
    assert trouble.hint == "journalctl --unit appliance-run-1.service says why"
