"""Our terminal, connected to the machine's."""

from __future__ import annotations

import os
import select
import shutil
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import InputError

CHUNK_BYTES = 4096


def size() -> tuple[str, str, str]:
    """Rows, columns and kind of our terminal. InputError if we have none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("a shell needs a terminal", hint="give a command: appliance lab shell PLACE -- COMMAND")
    found = shutil.get_terminal_size()
    return str(found.lines), str(found.columns), os.environ.get("TERM", "linux")


@contextmanager
def line(path: Path) -> Iterator[socket.socket]:
    """The machine's terminal, at the socket that QEMU has for it."""
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(str(path))
        yield there


def connect(there: socket.socket, mark: bytes) -> bool:
    """Pass on what is typed and shown, until the far end says `mark`; False if an end is gone before that."""
    here = sys.stdin.fileno()
    before = termios.tcgetattr(here)
    tty.setraw(here)
    try:
        return _pass_on(here, sys.stdout.fileno(), there, mark)
    finally:
        termios.tcsetattr(here, termios.TCSADRAIN, before)


def _pass_on(source: int, target: int, there: socket.socket, mark: bytes) -> bool:
    tail = b""
    while True:
        readable, _, _ = select.select([source, there.fileno()], [], [])
        if source in readable:
            typed = os.read(source, CHUNK_BYTES)
            if not typed:
                return False
            there.sendall(typed)
        if there.fileno() in readable:
            heard = there.recv(CHUNK_BYTES)
            shown, tail, has_ended = until_mark(tail + heard, mark)
            _write(target, shown)
            if has_ended or not heard:
                return has_ended


def until_mark(text: bytes, mark: bytes) -> tuple[bytes, bytes, bool]:
    """What to show of a text, what to keep as it may be the mark's beginning, and whether the mark was there."""
    before, found, _ = text.partition(mark)
    if found:
        return before, b"", True
    kept = next((length for length in range(len(mark) - 1, 0, -1) if text.endswith(mark[:length])), 0)
    return text[: len(text) - kept], text[len(text) - kept :], False


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
