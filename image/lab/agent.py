"""What runs in the guest: it takes one command a line over a serial line, runs it, and answers with one line.

Never installed in an image: `guest` sends this text over the line itself. Only the standard library.
The name `line` is the serial line, opened by the unit that `guest` injects.
"""

from __future__ import annotations

import base64
import json
import subprocess
import zlib
from typing import IO, Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run what is asked for; the exit code is None when it did not end in time or could not start."""
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


def serve(line: IO[bytes]) -> None:
    """Answer until the line is closed. Requests and answers are compressed: a serial line is slow."""
    while request := line.readline():
        reply = answer(json.loads(zlib.decompress(base64.b64decode(request))))
        line.write(b"lab " + base64.b64encode(zlib.compress(json.dumps(reply).encode())) + b"\n")


if "line" in globals():
    serve(globals()["line"])
