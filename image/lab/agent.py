"""What runs in the guest: it takes one command a line over a serial line, runs it, and answers with one line.

A command is a program with its arguments, or the text of a Python program, which runs in here: starting another
interpreter takes an emulator a second.

Never installed in an image: `guest` sends this text over the line itself. Only the standard library.
The name `line` is the serial line, opened by the unit that `guest` injects.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
import threading
import traceback
import zlib
from pathlib import Path
from typing import IO, Any

CLONE_NEWNET = 0x40000000


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What came of it: the exit code, and what was printed."""
    return performed(request) if "text" in request else executed(request)


def executed(request: dict[str, Any]) -> dict[str, Any]:
    """Of a program; the exit code is None when it did not end in time or could not start."""
    try:
        done = subprocess.run(
            request["argv"],
            input=request["stdin"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=request["timeout_s"],
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"code": None, "output": str(error)}
    return {"code": done.returncode, "output": done.stdout}


def performed(request: dict[str, Any]) -> dict[str, Any]:
    """Of a text, in a thread of its own, which alone is in the network namespace that is asked for."""
    found: dict[str, Any] = {"code": None, "output": "it did not end in time"}

    def perform() -> None:
        printed = io.StringIO()
        code: object = 0
        with contextlib.redirect_stdout(printed):
            try:
                if request["network"]:
                    enter(request["network"])
                exec(request["text"], {"__name__": "__main__"})  # noqa: S102
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                code = traceback.format_exc()
        said, number = ("", code) if isinstance(code, int) else (f"{code}", 1)
        found.update(code=number, output=printed.getvalue() + said)

    sys.argv = ["-", *request["argv"]]
    thread = threading.Thread(target=perform, daemon=True)
    thread.start()
    thread.join(request["timeout_s"])
    return dict(found)


def enter(network: str) -> None:
    """Put this thread into a network namespace, see setns(2)."""
    file = os.open(Path("/run/netns") / network, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(file, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), network)
    finally:
        os.close(file)


def serve(line: IO[bytes]) -> None:
    """Answer until the line is closed. Requests and answers are compressed: a serial line is slow."""
    while request := line.readline():
        asked = json.loads(zlib.decompress(base64.b64decode(request)))
        reply = {"number": asked["number"], **answer(asked)}
        line.write(b"lab " + base64.b64encode(zlib.compress(json.dumps(reply).encode())) + b"\n")


if "line" in globals():
    serve(globals()["line"])
