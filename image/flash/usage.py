"""What a disk is in use for, as the kernel tells of it in /proc and /sys. Reads only.

Not everything is seen here: mounts of other namespaces are not, nor are all disks of a Btrfs or a ZFS. For these the
kernel refuses itself when the disk is opened for us alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image.flash.machine import Disk, mapped_name, standing_on

SYSTEMS = ("/boot", "/usr", "/var", "/etc", "/nix")
"""The folders of the system: whatever is mounted in them is a part of it."""
PLACES = ("/", "/home", "/opt", "/srv")
"""In these people have mounts of their own; only what is mounted just there is the system's."""
LIVE_SYSTEMS = ("/run/live/medium", "/lib/live/mount/medium", "/cdrom", "/run/initramfs/live", "/run/archiso/bootmnt")
"""Where live systems of Debian, Ubuntu, Fedora and Arch have what they run from."""
ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo, see proc_pid_mountinfo(5)."""

    number: str
    """`major:minor`; Btrfs has one of its own here."""
    source: str
    point: str


@dataclass(frozen=True)
class Use:
    """What a disk is in use for."""

    system: tuple[str, ...] = ()
    """Where it is mounted as a part of the running system, whatever is between."""
    mounts: tuple[str, ...] = ()
    """Where else it is mounted; what was mounted last, first."""
    swaps: tuple[str, ...] = ()
    """The block devices that the system swaps to."""
    holders: tuple[str, ...] = ()
    """What stands on it, by the names that people know."""


def use_of(disk: Disk, root: Path) -> Use:
    """What a disk is in use for now."""
    names = standing_on(disk, root)
    paths = {f"/dev/{called}" for name in names for called in (name, mapped_name(name, root))}
    mounts = parse_mounts((root / "proc/self/mountinfo").read_text(errors="surrogateescape"))
    points = [one.point for one in mounts if one.number in names.values() or one.source in paths]
    swaps = root / "proc/swaps"
    return Use(
        system=tuple(dict.fromkeys(point for point in points if is_system(point))),
        mounts=tuple(point for point in reversed(points) if not is_system(point)),
        swaps=tuple(path for path in parse_swaps(swaps.read_text()) if path in paths) if swaps.exists() else (),
        holders=tuple(mapped_name(name, root) for name in disk.holders),
    )


def is_system(point: str) -> bool:
    """Whether what is mounted there is a part of the running system."""
    within = any(point == folder or point.startswith(f"{folder}/") for folder in SYSTEMS)
    return within or point in PLACES or point in LIVE_SYSTEMS


def parse_mounts(text: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, behind = before.split(" "), after.split(" ")
        found.append(Mount(fields[2], _plain(behind[1]), _plain(fields[4])))
    return found


def parse_swaps(text: str) -> Sequence[str]:
    """The paths in /proc/swaps."""
    return [_plain(line.split()[0]) for line in text.splitlines()[1:] if line.strip()]


def _plain(text: str) -> str:
    """A space is written as \\040, and so on."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
