"""What of the system bus's signals wakes the daemon."""

from __future__ import annotations

import asyncio

import pytest

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
