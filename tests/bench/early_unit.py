"""The early unit, from its start to the gadget bound, beside a bare interpreter and a shell that does the same."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from image.lab.guest import Guest
from tests.bench.shown import figure, heading

ROUNDS = 5
PROGRAM = Path(__file__).with_name("early_unit_rounds.py")


def measure(guest: Guest) -> None:
    """Print it; the daemon is stopped meanwhile, and the gadget is there afterwards."""
    heading(f"early unit, the middle of {ROUNDS} rounds")
    guest.run("systemctl", "stop", "appliance.service", timeout_s=120)
    guest.run("udevadm", "control", "--stop-exec-queue")  # else each gadget that goes has udev start the unit
    answer = guest.ask(["python3", "-", str(ROUNDS)], stdin=PROGRAM.read_text(), timeout_s=600)
    guest.run("udevadm", "control", "--start-exec-queue")
    guest.run("systemctl", "--no-block", "start", "appliance.service")
    if answer.code != 0:
        raise RuntimeError(answer.output)
    rounds: list[dict[str, float]] = json.loads(answer.output)
    middle = {name: median(times[name] for times in rounds) for name in rounds[0]}
    reference_s = middle["bare interpreter"] + middle["shell"]
    for name, seconds in middle.items():
        figure(name, f"{seconds:.2f} s")
    figure("unit / (bare interpreter + shell)", f"{middle['unit, until bound'] / reference_s:.2f}")
