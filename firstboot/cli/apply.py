"""`appliance apply`: look and put right now, instead of when something changes or a minute is over."""

from __future__ import annotations

import argparse
import json
import math
import time

from appliance.errors import TemporaryError
from firstboot.cli import status
from firstboot.command import run as run_program
from firstboot.paths import STATUS

WAIT_S = 60.0
_LOOK_EVERY_S = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = "Make the daemon read appliance.yaml again and put everything right now; then tell the status."
    parser.add_argument("--json", action="store_true", help="for programs: the whole status as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Wake the daemon, wait until it has looked, and print the status."""
    status.require_root("apply")
    asked_s = time.monotonic()
    status.require_daemon()
    run_program(["systemctl", "reload", "appliance.service"])
    deadline_s = asked_s + WAIT_S
    while _began_s() < asked_s:
        if time.monotonic() > deadline_s:
            raise TemporaryError(f"the daemon did not answer within {WAIT_S:.0f} s", hint="journalctl -u appliance")
        time.sleep(_LOOK_EVERY_S)
    return status.tell(as_json=arguments.json)


def _began_s() -> float:
    """When the look began of which the daemon has told, on the monotonic clock, which all processes share."""
    try:
        return float(json.loads(STATUS.read_text(encoding="utf-8"))["began_s"])
    except FileNotFoundError:
        return -math.inf
