"""What the guest finds out about itself, and reports in one word: run in the guest, never installed in an image.

Prints one line of JSON: `{"verdict": "ready", "reasons": []}`. Only the standard library.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

STATUS = Path("/run/appliance/status.json")
INITRD_GIVEN = Path("/proc/device-tree/chosen/linux,initrd-start")
INITRD_USED = Path("/run/initramfs")


def state(timeout_s: float) -> str:
    """The daemon's word, once it is a good one or the time is up."""
    deadline = time.monotonic() + timeout_s
    word = "silent"
    while word != "ready" and time.monotonic() < deadline:
        if STATUS.exists():
            word = json.loads(STATUS.read_text())["state"]
        time.sleep(0.5)
    return word


def reasons(word: str) -> Iterator[str]:
    """Everything that is wrong."""
    if word != "ready":
        yield f"appliance status: {word}"
        if STATUS.exists():
            yield STATUS.read_text()
    if not INITRD_GIVEN.exists():
        yield "the kernel was given no initrd"
    if not INITRD_USED.is_dir():
        yield "no initrd has run"
    if not root_driver_is_a_module():
        yield "the root file system needs no initrd: its driver is built in"
    argv = ["systemctl", "--failed", "--plain", "--no-legend"]
    failed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    yield from (f"failed: {line}" for line in failed.splitlines())


def root_driver_is_a_module() -> bool:
    """Whether the root's file system driver is a module, which only an initrd can have brought."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    kinds = {words[2] for words in mounts if words[1] == "/"}
    loaded = {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}
    return kinds <= loaded


def main(timeout_s: float) -> None:
    """Decide."""
    word = state(timeout_s)
    found = list(reasons(word))
    print(json.dumps({"verdict": "failed" if word == "ready" and found else word, "reasons": found}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
