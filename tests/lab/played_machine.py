#!/usr/bin/env python3
"""A program in place of QEMU: what its card's kernel is, in JSON, it does, and it runs the lab's agent as a guest does.

    {"console": TEXT, "status": {…} or null, "ends": false}

`console` is what is shown there. `status` is what the daemon tells; null: nobody answers on the lab's line.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from itertools import pairwise
from pathlib import Path


def value(name: str, words: list[str], beginning: str = "") -> str:
    """What stands behind an option, and behind this beginning."""
    behind = [after for word, after in pairwise(words) if word == name]
    return next(word for word in behind if word.startswith(beginning)).removeprefix(beginning)


def main(words: list[str]) -> None:
    """As QEMU's."""
    kernel = json.loads(Path(value("-kernel", words)).read_text())
    Path(value("-serial", words, "file:")).write_text(kernel["console"])
    if kernel["ends"]:
        sys.exit("the machine is off")
    if kernel["status"] is None:
        signal.pause()
    status = Path("/run/appliance/status.json")
    status.parent.mkdir()
    status.write_text(json.dumps(kernel["status"]))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(value("-chardev", words, "socket,id=lab,path="))
    with connection.makefile("rwb", buffering=0) as line:
        line.write(b"lab-hello\n")
        exec(line.readline(), {"line": line, "__name__": "guest"})


if __name__ == "__main__":
    main(sys.argv[1:])
