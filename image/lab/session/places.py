"""Where labs are found by their names: a folder for each, of the user alone, with the socket of its door.

Who runs a lab holds a lock on its folder (flock(2)), which the kernel takes back however that process ends. So a lab
that starts, and has no door yet, is known from what a killed one has left.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import InputError

DEFAULT = "lab"
CONTROL, TERMINAL = "control", "terminal"
"""The sockets in a lab's folder: of its door, and of the machine's terminal."""
FILES = "files"
"""The link in there to the lab's folder among temporary files."""
SOCKET_PATH_BYTES = 107
"""The longest path that a socket can have: unix(7)."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def all_of(user: int) -> Path:
    """The folder of all labs of a user, made if need be. InputError if it cannot be made, or is somebody else's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "appliance-lab") if runtime else Path(tempfile.gettempdir(), f"appliance-lab-{user}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        hint = "unset XDG_RUNTIME_DIR, or set it to a folder of this user's"
        raise InputError(f"{folder}, for this user's labs, cannot be made: {error.strerror}", hint=hint) from error
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != user or found.st_mode & 0o077:
        raise InputError(f"{folder} is not this user's alone", hint="remove it, or set XDG_RUNTIME_DIR")
    return folder


@contextmanager
def claimed(name: str, tell: Callable[[str], None]) -> Iterator[Path]:
    """The folder of a lab of that name, while the block runs. InputError if one runs already, or none can be there.

    What killed labs have left, of whatever name, is removed before, and `tell` is told that.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a lab", hint="lower-case letters, digits and -")
    with _nobody_else() as labs:
        for told in _swept(labs):
            tell(told)
        folder = labs / name
        if len(os.fsencode(folder / TERMINAL)) > SOCKET_PATH_BYTES:
            raise InputError(f"{folder} is too long for sockets in it", hint="set XDG_RUNTIME_DIR to a shorter path")
        if folder.exists():
            raise InputError(
                f"a lab called {name} is running", hint=f"--name OTHER, or: appliance lab end --name {name}"
            )
        folder.mkdir(mode=0o700)
        lock = _locked(folder)
    assert lock is not None  # just made, and nobody else could
    try:
        yield folder
    finally:
        with _nobody_else():
            shutil.rmtree(folder)
            os.close(lock)


@contextmanager
def files(folder: Path) -> Iterator[Path]:
    """A folder among temporary files for a lab's large ones, while the block runs: its own folder leads there."""
    place = Path(tempfile.gettempdir(), f"appliance-lab-{secrets.token_hex(4)}")
    (folder / FILES).symlink_to(place)
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def found(name: str | None) -> Path:
    """The folder of the running lab of that name; without a name, of the only one.

    InputError if there is none, or if it only begins to start, and cannot be asked yet.
    """
    with _nobody_else() as labs:
        running = {folder.name: folder for folder in sorted(labs.iterdir()) if is_running(folder)}
    if name is None and len(running) > 1:
        raise InputError(f"several labs are running: {', '.join(running)}", hint="say which, with --name NAME")
    folder = running.get(name) if name is not None else next(iter(running.values()), None)
    if folder is None:
        which = f"no lab called {name} is running" if name else "no lab is running"
        raise InputError(which, hint="`appliance lab IMAGE` starts one")
    if not (folder / CONTROL).exists():
        raise InputError(f"the lab called {folder.name} cannot be asked yet: it starts", hint="try again in a moment")
    return folder


def is_running(folder: Path) -> bool:
    """Whether somebody runs the lab of a folder. Only for who is alone with all of them."""
    lock = _locked(folder)
    if lock is not None:
        os.close(lock)
    return lock is None


@contextmanager
def _nobody_else() -> Iterator[Path]:
    """The folder of all of this user's labs; nobody else looks for a lab, begins or ends one while the block runs."""
    folder = all_of(os.getuid())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock of a lab's folder until it is closed; None if somebody has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _swept(labs: Path) -> Iterator[str]:
    """Remove what is left of labs that nobody runs; a sentence for each."""
    for folder in sorted(labs.iterdir()):
        if is_running(folder):
            continue
        link = folder / FILES
        place = link.readlink() if link.is_symlink() else None
        if place is not None and place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
            yield f"removed what the lab called {folder.name}, which was killed, had left in {place}"
        shutil.rmtree(folder)
