"""Device nodes of a base: they cannot be made inside a user namespace, so they travel beside the files."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from appliance.errors import PermanentError
from image.disk import ext4
from image.run import run

FILE = "devices.json"


@dataclass(frozen=True)
class Device:
    """A device node: where in the root file system, which, and whose."""

    path: str
    mode: int
    """With the type, as in stat(2)."""
    major: int
    minor: int
    uid: int
    gid: int


def write(devices: Sequence[Device], folder: Path) -> None:
    """Leave the list where `read` finds it."""
    (folder / FILE).write_text(json.dumps([asdict(device) for device in devices]) + "\n")


def read(folder: Path) -> list[Device]:
    """The list that was left in `folder`; none if none was."""
    file = folder / FILE
    return [Device(**fields) for fields in json.loads(file.read_text())] if file.exists() else []


def make(devices: Sequence[Device], file_system: Path, *, epoch: int) -> None:
    """Make the nodes in an ext4 file system in a file, dated `epoch`, with debugfs.

    Where something else is by now, that stays.
    """
    commands: list[str] = []
    for device in devices:
        path = PurePosixPath(device.path)
        kind = "c" if stat.S_ISCHR(device.mode) else "b"
        commands += [
            f'cd "{path.parent}"',
            f'mknod "{path.name}" {kind} {device.major} {device.minor}',
            f'set_inode_field "{path.name}" mode 0{device.mode:o}',
            f'set_inode_field "{path.name}" uid {device.uid}',
            f'set_inode_field "{path.name}" gid {device.gid}',
        ]
    if not commands:
        return
    run(["debugfs", "-w", "-f", "-", file_system], stdin="\n".join(commands) + "\n", env=ext4.present(epoch))
    for device in devices:  # debugfs ends with 0 whatever happened
        if "Type:" not in run(["debugfs", "-R", f'stat "{device.path}"', file_system]):
            raise PermanentError(
                f"the device node {device.path} could not be made (major {device.major}, minor {device.minor})"
            )
