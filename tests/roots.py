"""Programs in another root, with a process tree of their own: a user namespace is not to be had after chroot(2)."""

from __future__ import annotations

from pathlib import Path

_PIVOT = """\
mount --bind "$1" "$1"; cd "$1"; shift
mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs tmp
pivot_root . mnt
umount --lazy mnt
exec "$@"
"""
_APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", _PIVOT, "sh")


def within(root: Path) -> list[str]:
    """The words before a command that is to see `root` as its own."""
    return [*_APART, str(root)]
