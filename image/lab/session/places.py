"""Where running labs are found by their names: a folder for each, of the user alone, with the socket of its door."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import InputError

DEFAULT = "lab"
CONTROL, TERMINAL = "control", "terminal"
"""The sockets in a lab's folder: of its door, and of the machine's terminal."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def all_of(user: int) -> Path:
    """The folder of all labs of a user, made if it is not there. InputError if somebody else has made it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "appliance-lab") if runtime else Path(tempfile.gettempdir(), f"appliance-lab-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != user or found.st_mode & 0o077:
        raise InputError(f"{folder} is not this user's alone", hint="remove it, or set XDG_RUNTIME_DIR")
    return folder


@contextmanager
def claimed(name: str) -> Iterator[Path]:
    """The folder of a lab of that name, while the block runs. InputError if one runs already."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a lab", hint="lower-case letters, digits and -")
    folder = all_of(os.getuid()) / name
    if folder.exists():
        if is_running(folder):
            raise InputError(
                f"a lab called {name} is running", hint=f"--name OTHER, or: appliance lab end --name {name}"
            )
        shutil.rmtree(folder)  # of one that was killed
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def found(name: str | None) -> Path:
    """The folder of the running lab of that name; without a name, of the only one. InputError if there is none."""
    running = {folder.name: folder for folder in sorted(all_of(os.getuid()).iterdir()) if is_running(folder)}
    if name is None and len(running) == 1:
        return next(iter(running.values()))
    if name is None and len(running) > 1:
        raise InputError(f"several labs are running: {', '.join(running)}", hint="say which, with --name NAME")
    if name not in running:
        which = f"no lab called {name} is running" if name else "no lab is running"
        raise InputError(which, hint="`appliance lab IMAGE` starts one")
    return running[name]


def is_running(folder: Path) -> bool:
    """Whether somebody is behind the door of a lab's folder."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(folder / CONTROL))
        except OSError:
            return False
    return True
