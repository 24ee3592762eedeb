"""Runs in the guest: makes the gadget by the early unit and by a shell script, in turns, and says how long each took.

As JSON, one object a round. Only the standard library, and the gadget's own. Its argument: how many rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

sys.path.insert(0, "/usr/lib/appliance")

from firstboot.gadget import compiled, configfs
from firstboot.gadget.early import BATCH

UNIT = "appliance-gadget.service"


def shell_script(gadget: compiled.Compiled) -> str:
    """The same folders, files and links, and the controller."""
    lines = [f"cd {configfs.ROOT}", *(f"mkdir {path}" for path in gadget.folders)]
    lines += [f"printf %s {quote(value)} >{path}" for path, value in gadget.files.items()]
    lines += [f"ln -s {configfs.ROOT}/{target} {path}" for path, target in gadget.links]
    return "\n".join([f"mkdir {configfs.ROOT}", *lines, f"printf %s {configfs.controllers()[0]} >UDC"])


def seconds(*argv: str) -> float:
    began = time.monotonic()
    subprocess.run(argv, check=True)
    return time.monotonic() - began


def until_bound() -> float:
    """From when systemd began to start the unit to when the unit had written the interfaces' names."""
    subprocess.run(["systemctl", "start", UNIT], check=True)
    show = ["systemctl", "show", "-P", "InactiveExitTimestampMonotonic", UNIT]
    began_s = int(subprocess.run(show, check=True, capture_output=True).stdout) / 1e6
    if not configfs.bound_to():
        raise SystemExit("the unit has not bound the gadget")
    return Path(BATCH).stat().st_mtime - (time.time() - time.monotonic()) - began_s


def measured(script: str) -> dict[str, float]:
    subprocess.run(["systemctl", "stop", UNIT], check=True)
    configfs.remove()
    times = {"bare interpreter": seconds("python3", "-I", "-S", "-c", "pass"), "shell": seconds("sh", "-ec", script)}
    if not configfs.bound_to():
        raise SystemExit("the shell has not bound the gadget")
    configfs.remove()
    return {**times, "unit, until bound": until_bound()}


if __name__ == "__main__":
    text = shell_script(compiled.parse(Path(compiled.PATH).read_text(encoding="utf-8")))
    print(json.dumps([measured(text) for _ in range(int(sys.argv[1]))]))
