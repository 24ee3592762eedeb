"""What is told of a plan, and of what was done."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from appliance.parse import Parsed, load
from firstboot.history import KEPT, History
from firstboot.intent import Intent, Wanting, intent, seen
from firstboot.kinds import KINDS
from firstboot.origins import Origins
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.status import line_of
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine


@pytest.fixture
def parsed() -> Parsed:
    return load(EXAMPLES / "gateway.yaml")


def asked(name: str, parsed: Parsed, machine: MemoryMachine) -> Intent:
    look = seen(parsed.appliance, next(kind for kind in KINDS if kind.name == name), machine)
    return intent(look, Origins(look.kind, parsed.appliance, look.facts), parsed.marks)


def test_a_difference_is_told_with_its_action_and_its_line(parsed: Parsed) -> None:
    machine = MemoryMachine()
    Reconciler(KINDS, sleep=lambda _: None).reconcile(parsed.appliance, machine)
    machine.routes = [route for route in machine.routes if route.destination.prefixlen]
    machine.log.clear()

    found = asked("routes", parsed, machine)
    assert found.difference == (
        "0.0.0.0/0 metric 97: missing",
        "::/0 from 2001:db8:123c:abd::/64 metric 512: missing",
        "::/0 from 2001:db8:123d:abc::/64 metric 512: missing",
    )
    assert found.actions == (
        "set route 0.0.0.0/0 via 192.168.1.254 on eth0",
        "set route ::/0 from 2001:db8:123c:abd::/64 on he-ipv6",
        "set route ::/0 from 2001:db8:123d:abc::/64 on he-ipv6",
    )
    assert len(found.desired) == 4
    assert len(found.observed) == 1
    lines = (EXAMPLES / "gateway.yaml").read_text().splitlines()
    assert found.line == 1 + lines.index("uplink:")
    gateway = 1 + lines.index("  gateway: 192.168.1.254")
    assert Wanting("uplink.gateway", gateway) in found.wanted_by["0.0.0.0/0 metric 97"]
    assert machine.log == []


def test_what_cannot_be_said_yet_says_why(parsed: Parsed) -> None:
    assert parsed.appliance.uplink is not None
    by_lease = replace(parsed.appliance, uplink=replace(parsed.appliance.uplink, address=None, gateway=None))
    found = asked("tunnel", replace(parsed, appliance=by_lease), MemoryMachine())
    assert found.error == "eth0 has no IPv4 address yet"
    assert found.hint
    assert found.difference == ()


def test_no_secret_is_told() -> None:
    parsed = load(EXAMPLES / "gadget.yaml")
    assert parsed.appliance.uplink is not None
    wifi = parsed.appliance.uplink.wifi
    assert wifi is not None
    assert wifi.passphrase
    machine = MemoryMachine("wlan0")
    machine.device_controllers = ["dwc2"]
    found = json.dumps([asdict(asked(kind.name, parsed, machine)) for kind in KINDS], default=str)
    assert "/etc/NetworkManager/system-connections/" in found
    assert wifi.passphrase not in found
    Reconciler(KINDS, sleep=lambda _: None).reconcile(parsed.appliance, machine)
    profiles = [state.content.decode() for path, state in machine.files.items() if "system-connections" in str(path)]
    keys = [line.partition("=")[2] for text in profiles for line in text.splitlines() if line.startswith("psk=")]
    assert keys
    found = json.dumps([asdict(asked(kind.name, parsed, machine)) for kind in KINDS], default=str)
    assert not any(key in found for key in keys)


def test_the_nearest_section_stands_for_what_the_file_has_not(parsed: Parsed) -> None:
    assert line_of("uplink.mtu", parsed.marks) == line_of("uplink", parsed.marks)
    assert line_of("gadget", parsed.marks) is None


def test_history_keeps_the_last_and_a_problem_once() -> None:
    history, now = History(), datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    for number in range(KEPT):
        history.note([Outcome("routes", State.OK, (f"set route {number}",))], now)
    waiting = Outcome("routes", State.WAITING, error="no signal on eth0")
    for outcome in (waiting, waiting, Outcome("routes", State.OK)):
        history.note([outcome], now)
    entries = history.of("routes")
    assert len(entries) == KEPT
    assert entries[-3:] == [
        f"2026-11-24 08:00:00 set route {KEPT - 1}",
        "2026-11-24 08:00:00 no signal on eth0",
        "2026-11-24 08:00:00 right again",
    ]
    assert history.of("tunnel") == []


def test_history_tells_what_is_about_some_specs_and_what_is_about_all() -> None:
    history, now = History(), datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    done, about = ("set route a", "set route b"), (("a metric 97",), ("b metric 97",))
    history.note([Outcome("routes", State.WAITING, done, error="no signal on eth0", about=about)], now)
    assert history.of("routes", {"a metric 97"}) == [
        "2026-11-24 08:00:00 set route a",
        "2026-11-24 08:00:00 no signal on eth0",
    ]


def test_history_forgets_the_outcomes_of_kinds_that_have_no_say_any_more() -> None:
    history = History()
    history.note([Outcome("routes", State.OK), Outcome("tunnel", State.OK)])
    history.note([Outcome("reactions", State.OK)])
    assert list(history.last) == ["reactions"]
