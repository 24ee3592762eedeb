"""A program: `appliance` with a lab in which `played_machine` is in QEMU's place, for tests that end it in bad ways.

users_lab.py COMMAND...
"""

from __future__ import annotations

import sys
from dataclasses import replace

from appliance import cli
from image.lab.machine import VIRT
from image.lab.session.playing import MACHINES
from tests.lab import played_machine

if __name__ == "__main__":
    MACHINES[VIRT.name] = replace(VIRT, program=played_machine.__file__)
    sys.exit(cli.main(sys.argv[1:]))
