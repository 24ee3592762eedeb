"""What of the system bus's signals wakes the daemon."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest
from dbus_next.signature import Variant

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
