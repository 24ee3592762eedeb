"""Why a disk is not written to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import InputError
from image.flash.advice import advice
from image.flash.machine import SECTOR_BYTES, Disk
from image.flash.usage import Use

LIST = "`appliance flash IMAGE` lists the disks that can be taken out"
OTHER = f"give another disk: {LIST}"


@dataclass(frozen=True)
class Refusal:
    """One reason, as the end of a sentence that the disk begins."""

    why: str
    hint: str
    forced: str = ""
    """What --force does in spite of it; empty: nothing."""


def refusals(disk: Disk, use: Use, *, needed_bytes: int | None, image_number: str) -> list[Refusal]:
    """All that speaks against writing to a disk; what --force does not help against comes first.

    `needed_bytes` is the image's size, None if that is not known; `image_number` the `major:minor` of the device that
    the image's file is on.
    """
    found = [
        *_running(disk, use, image_number),
        *_unable(disk, needed_bytes),
        *([] if disk.removable else [Refusal("is not a disk that can be taken out", OTHER, "it is written to anyway")]),
    ]
    for point in use.mounts:
        forced = f"{point} is unmounted"
        found.append(Refusal(f"is mounted at {point}", f"sudo umount {point}, or --force, which does that", forced))
    return found


def _running(disk: Disk, use: Use, image_number: str) -> list[Refusal]:
    found = []
    if use.system:
        found.append(Refusal(f"holds the running system: {', '.join(use.system)}", OTHER))
    if image_number in (disk.number, *disk.partitions.values()):
        found.append(Refusal("is the disk that the image is on", f"copy the image elsewhere, or {OTHER}"))
    if use.swaps:
        found.append(Refusal(f"is swapped to: {', '.join(use.swaps)}", f"sudo swapoff {use.swaps[0]}, or {OTHER}"))
    if use.holders:
        what = ", ".join(f"/dev/{name}" for name in use.holders)
        found.append(Refusal(f"is in use by {what}", f"take that apart before (cryptsetup, LVM, RAID), or {OTHER}"))
    return found


def _unable(disk: Disk, needed_bytes: int | None) -> list[Refusal]:
    if not disk.size_bytes:
        return [Refusal("has no card in it", "put one in")]
    if disk.read_only:
        return [Refusal("is read-only", "is there a slider on the card's side? Push it away from `Lock`")]
    if disk.sector_bytes > SECTOR_BYTES:
        return [Refusal(f"has sectors of {disk.sector_bytes} bytes, and the image is for {SECTOR_BYTES}", OTHER)]
    if needed_bytes is not None and needed_bytes > disk.size_bytes:
        return [too_small(needed_bytes, disk.size_bytes, is_disk=True)]
    return []


def too_small(needed_bytes: int, size_bytes: int, *, is_disk: bool) -> Refusal:
    """The image does not fit on a disk, or into a file in place of one."""
    lacking = f"the image needs {needed_bytes / 1e6:.0f} MB, it has {size_bytes / 1e6:.0f}"
    return Refusal(f"is too small: {lacking}", advice(is_disk=is_disk).too_small)


def check(what: str, found: Sequence[Refusal], *, force: bool) -> list[str]:
    """What --force overrides, a sentence each. Raises InputError if something stays."""
    left = [one for one in found if not one.forced] or ([] if force else list(found))
    if left:
        raise InputError(f"{what} {', and '.join(one.why for one in left)}", hint=left[0].hint)
    return [f"--force: {what} {one.why}; {one.forced}" for one in found]
