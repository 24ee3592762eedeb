"""A shell at a terminal, and somebody who types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path

SILENCE_S = 30


def typed(shell: Sequence[str], text: bytes, until: bytes, folder: Path) -> bytes:
    """What the terminal shows, until it shows what is waited for, or nothing any more."""
    outside, inside = pty.openpty()
    environment = {**os.environ, "TERM": "dumb"}
    process = subprocess.Popen(
        shell, stdin=inside, stdout=inside, stderr=inside, cwd=folder, env=environment, start_new_session=True
    )
    os.close(inside)
    shown = b""
    try:
        os.write(outside, text)
        while until not in shown and select.select([outside], [], [], SILENCE_S)[0]:
            shown += os.read(outside, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(outside)
    return shown
