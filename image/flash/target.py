"""The disk that somebody names: what it is, and whether it may be written to."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.flash import machine, refusal
from image.flash.machine import Disk
from image.flash.original import Original
from image.flash.refusal import LIST, Refusal
from image.flash.usage import Use, use_of
from image.run import run

SYSTEM = Path("/")


@dataclass(frozen=True)
class Target:
    """A disk that may be written to, once what is mounted is not any more."""

    path: Path
    overridden: Sequence[str]
    """What --force overrides, a sentence each."""
    mounts: Sequence[str] = ()
    is_disk: bool = True
    """Whether it is not a file in place of one."""

    def release(self) -> None:
        """Unmount what is mounted. Raises InputError if a program uses it."""
        for point in self.mounts:
            try:
                run(["umount", "--", point])
            except PermanentError as error:
                raise InputError(error.message, hint=f"end the programs that use {point}") from error


def target(path: Path, image: Original, *, force: bool) -> Target:
    """Look at a disk. Raises InputError with all that speaks against it."""
    try:
        about = path.stat()
    except OSError as error:
        raise InputError(f"{path} is not there: {error.strerror}", hint=LIST) from error
    if stat.S_ISBLK(about.st_mode):
        return disk_target(path, number_of(about.st_rdev), image, force=force, root=SYSTEM)
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is not a disk", hint=LIST)
    if path.samefile(image.file):
        raise InputError(f"{path} is the image itself", hint=LIST)
    found = [Refusal("is a file, not a disk", f"--force, if you mean it; {LIST}", "its content is replaced")]
    if image.size_bytes is not None and image.size_bytes > about.st_size:
        found.append(refusal.too_small(image.size_bytes, about.st_size, is_disk=False))
    return Target(path, refusal.check(str(path), found, force=force), is_disk=False)


def disk_target(path: Path, number: str, image: Original, *, force: bool, root: Path) -> Target:
    """Look at the block device `path`, which has the number `major:minor`, by what /sys and /proc in `root` say."""
    try:
        disk, partition = machine.disk_of(number, root)
    except FileNotFoundError as error:
        raise InputError(f"{path} is a device of nothing that is there", hint=LIST) from error
    if partition:
        raise InputError(
            f"{path} is a partition of the disk {disk.path}", hint=f"an image is of a whole disk: give {disk.path}"
        )
    use = use_of(disk, root)
    where = number_of(image.file.stat().st_dev)
    found = refusal.refusals(disk, use, needed_bytes=image.size_bytes, image_number=where)
    return Target(path, refusal.check(str(path), found, force=force), use.mounts)


def cards(root: Path = SYSTEM) -> list[tuple[Disk, Use]]:
    """The disks that can be taken out, and what they are in use for; those of the running system are none."""
    found = [(disk, use_of(disk, root)) for disk in machine.cards(root)]
    return [(disk, use) for disk, use in found if not use.system]


def number_of(device: int) -> str:
    """`major:minor` of a device's number, as stat(2) gives it."""
    return f"{os.major(device)}:{os.minor(device)}"
