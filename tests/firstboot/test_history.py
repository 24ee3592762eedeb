"""What is remembered of what was done, and why it was done."""

from __future__ import annotations

from dataclasses import replace

from appliance.model import Appliance
from firstboot.actions import REPAIRED
from firstboot.happened import STARTED
from firstboot.history import History
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from tests.firstboot.memory import MemoryMachine

TAKEN_BACK = Outcome("withdrawal", State.OK, done=("withdraw the route",), about=((),))
REACH = Outcome("reach", State.WAITING, error="the tunnel is dead")


def whys(*passes: list[Outcome]) -> list[str]:
    """Of what the last of these did."""
    history = History()
    for outcomes in passes:
        history.note(outcomes)
    return [entry.why for entry in history.lately() if entry.is_deed]


def test_what_the_first_pass_does_is_done_because_of_the_start() -> None:
    assert whys([TAKEN_BACK, REACH]) == [STARTED]


def test_a_way_out_is_taken_back_because_of_what_happened_to_it() -> None:
    uplink = Outcome("uplink", State.WAITING, error="no signal on eth0")
    blocked = Outcome("uplink", State.BLOCKED, error="needs wifi")
    begun = [replace(TAKEN_BACK, done=(), about=())]
    assert whys(begun, [TAKEN_BACK, uplink, REACH]) == [REACH.error]
    assert whys(begun, [TAKEN_BACK, uplink]) == [uplink.error]
    assert whys(begun, [TAKEN_BACK, blocked]) == [""]
    assert whys(begun, [replace(TAKEN_BACK, kind="routes"), REACH]) == [""], "it has another reason"


def test_nobody_is_accused_of_what_was_never_right(gateway: Appliance) -> None:
    """At a start the kernel accepts everything, and so far nobody has closed it."""
    machine, reconciler, history = MemoryMachine(), Reconciler(KINDS, sleep=lambda _: None), History()
    history.note(reconciler.reconcile(gateway, machine))
    assert [entry for entry in history.lately() if entry.kind == "firewall"]
    assert history.repairs() == []
    machine.kernel_rules[4] = machine.kernel_rules[4].replace(":INPUT DROP", ":INPUT ACCEPT")
    history.note(reconciler.reconcile(gateway, machine))
    [repair] = history.repairs()
    assert repair.endswith(f"firewall: shut the firewall for IPv4{REPAIRED}the policy of INPUT was ACCEPT")
