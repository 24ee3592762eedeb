"""Between two passes: what nobody tells of is noticed, and looking for it costs no look at the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot.kind import FileState
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.rendered.dnsmasq import CONFIG
from tests.firstboot.memory import MemoryMachine


@pytest.fixture
def reconciler(gateway: Appliance, machine: MemoryMachine) -> Reconciler:
    made = Reconciler(KINDS, sleep=lambda _: None)
    made.reconcile(gateway, machine)
    return made


def test_nothing_is_found_where_nothing_changed(
    reconciler: Reconciler, gateway: Appliance, machine: MemoryMachine
) -> None:
    looks = machine.looks
    assert not reconciler.drifted(gateway, machine)
    assert machine.looks == looks


def loses_forwarding(machine: MemoryMachine) -> None:
    machine.sysctls["net/ipv6/conf/all/forwarding"] = "0"


def hears_a_router_on_the_tunnel(machine: MemoryMachine) -> None:
    machine.sysctls["net/ipv6/conf/he-ipv6/accept_ra"] = "1"


def edited(machine: MemoryMachine) -> None:
    machine.files[CONFIG] = FileState(b"interface=eth0\n", 0o644)


def renamed(machine: MemoryMachine) -> None:
    machine.kernel_name = "raspberrypi"


def falls_silent(machine: MemoryMachine) -> None:
    machine.far_end_answers = False


@pytest.mark.parametrize(
    "change", [loses_forwarding, hears_a_router_on_the_tunnel, edited, renamed, falls_silent], ids=lambda c: c.__name__
)
def test_what_nobody_tells_of_is_found(
    change: Callable[[MemoryMachine], None], reconciler: Reconciler, gateway: Appliance, machine: MemoryMachine
) -> None:
    change(machine)
    assert reconciler.drifted(gateway, machine)


def test_what_cannot_be_looked_at_is_a_reason_for_a_pass(
    reconciler: Reconciler, gateway: Appliance, machine: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> str | None:
        raise TemporaryError(f"{name} cannot be read")

    monkeypatch.setattr(machine, "sysctl", fail)
    assert reconciler.drifted(gateway, machine)
