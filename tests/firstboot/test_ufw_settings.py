"""ufw's own settings: what must be so at the next boot is put right, and the rest is the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.model import Appliance
from appliance.parse import load
from firstboot.kind import FileState
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.ufw_settings import UfwSettings
from tests.firstboot.memory import MemoryMachine

CONF, DEFAULTS = Path("/etc/ufw/ufw.conf"), Path("/etc/default/ufw")
GOOD = {
    CONF: "# up\nENABLED=yes\nLOGLEVEL=low\n",
    DEFAULTS: 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_FORWARD_POLICY=DROP\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n'
    "MANAGE_BUILTINS=no\n",
}


@pytest.fixture
def gateway() -> Appliance:
    return load(Path(__file__).parent.parent / "appliance" / "examples" / "gateway.yaml").appliance


def reconciler() -> Reconciler:
    return Reconciler([UfwSettings()], sleep=lambda _: None)


def put_right(gateway: Appliance, machine: MemoryMachine, by: Reconciler | None = None) -> Outcome:
    """By a daemon that has just started, or by one that has been right before."""
    [outcome] = (by or reconciler()).reconcile(gateway, machine)
    assert outcome.state is State.OK
    return outcome


def machine_with(files: dict[Path, str]) -> MemoryMachine:
    machine = MemoryMachine()
    machine.files |= {path: FileState(text.encode(), 0o644) for path, text in files.items()}
    return machine


def test_what_is_right_stays_as_it_is(gateway: Appliance) -> None:
    assert put_right(gateway, machine_with(GOOD)).done == ()


@pytest.mark.parametrize(
    ("path", "before", "after", "said"),
    [
        (CONF, "ENABLED=yes", "ENABLED=no", "ENABLED was no"),
        (DEFAULTS, 'DEFAULT_INPUT_POLICY="DROP"', 'DEFAULT_INPUT_POLICY="ACCEPT"', 'DEFAULT_INPUT_POLICY was "ACCEPT"'),
        (DEFAULTS, "IPV6=yes", "IPV6=no", "IPV6 was no"),
    ],
)
def test_what_was_changed_is_put_back_in_its_place_and_said(
    gateway: Appliance, path: Path, before: str, after: str, said: str
) -> None:
    machine, changed, daemon = machine_with(GOOD), machine_with({path: GOOD[path].replace(before, after)}), reconciler()
    put_right(gateway, machine, daemon)
    machine.files |= changed.files
    assert put_right(gateway, machine, daemon).done == (f"write {path}, repaired: {said}",)
    assert machine.files[path].content.decode() == GOOD[path]


def test_nobody_had_changed_what_was_so_when_the_daemon_started(gateway: Appliance) -> None:
    machine = machine_with({**GOOD, CONF: GOOD[CONF].replace("ENABLED=yes", "ENABLED=no")})
    assert put_right(gateway, machine).done == (f"write {CONF}",)


def test_both_policies_of_one_file_are_one_repair(gateway: Appliance) -> None:
    machine = machine_with({**GOOD, DEFAULTS: GOOD[DEFAULTS].replace("DROP", "ACCEPT")})
    assert len(put_right(gateway, machine).done) == 1
    assert machine.files[DEFAULTS].content.decode().count("ACCEPT") == 1  # on its way out


def test_of_two_lines_the_last_one_counts_and_one_is_left(gateway: Appliance) -> None:
    machine = machine_with({**GOOD, CONF: GOOD[CONF] + "ENABLED=no\n"})
    put_right(gateway, machine)
    assert machine.files[CONF].content.decode() == GOOD[CONF]


def test_a_file_that_is_gone_is_made(gateway: Appliance) -> None:
    machine = machine_with({DEFAULTS: GOOD[DEFAULTS]})
    assert put_right(gateway, machine).done == (f"write {CONF}",)
    assert machine.files[CONF].content == b"ENABLED=yes\n"
