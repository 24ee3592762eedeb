"""What others' files were before the daemon wrote them: kept on a machine that is its owner's, until they are put back.

What the daemon owns (`OWNED` of `firstboot.rendered`) was nobody's before, and is removed instead.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from firstboot import files
from firstboot.facts import FormerFile
from firstboot.paths import ETC

HOSTNAME, HOSTS = ETC / "hostname", ETC / "hosts"
RESOLVER = ETC / "resolv.conf"
TAKEN = (
    *(ETC / "ufw" / name for name in ("before.rules", "before6.rules", "sysctl.conf", "after.init", "ufw.conf")),
    ETC / "default" / "ufw",
    RESOLVER,
    HOSTNAME,
    HOSTS,
)
"""Others' files that the daemon writes in a profile that takes the machine over."""

_SECRET = 0o600


class FormerFiles:
    """`memory`: where they are remembered; None: on a machine that is the appliance's nothing is to be put back."""

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._all = tuple(_remembered(memory)) if memory is not None else ()

    def all(self) -> tuple[FormerFile, ...]:
        """The same object as long as nothing is another."""
        return self._all

    def keep(self, path: Path) -> None:
        """It is about to be written. What cannot be remembered is not done: raises `PermanentError`."""
        if self._memory is None or path not in TAKEN or any(each.path == path for each in self._all):
            return
        kept = (*self._all, _as_it_is(path))
        content = "".join(f"{json.dumps(_told(each))}\n" for each in kept)
        files.replace(self._memory, content.encode(), _SECRET)
        self._all = kept

    def forget(self) -> None:
        """Everything is as it was."""
        self._all = ()
        if self._memory is not None:
            self._memory.unlink(missing_ok=True)


def put_back(former: FormerFile) -> None:
    """Make the file what it was."""
    if former.link:
        new = former.path.with_name(f".{former.path.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(former.link)
        new.rename(former.path)
    elif former.content is None:
        former.path.unlink(missing_ok=True)
    else:
        files.replace(former.path, former.content, former.mode)


def _as_it_is(path: Path) -> FormerFile:
    with suppress(OSError):
        return FormerFile(path, link=str(path.readlink()))
    found = files.read(path)
    return FormerFile(path, found.content, found.mode) if found is not None else FormerFile(path)


def _told(former: FormerFile) -> dict[str, object]:
    content = None if former.content is None else b64encode(former.content).decode()
    return {"path": os.fspath(former.path), "content": content, "mode": former.mode, "link": former.link}


def _remembered(memory: Path) -> Iterator[FormerFile]:
    found = files.read(memory)
    for line in found.content.splitlines() if found is not None else ():
        with suppress(ValueError):  # a damaged disk must not keep the daemon from starting
            match json.loads(line):
                case {"path": str(path), "content": str() | None as content, "mode": int(mode), "link": str(link)}:
                    yield FormerFile(Path(path), None if content is None else b64decode(content), mode, link)
