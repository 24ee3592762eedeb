"""What tells two root file systems apart: everything that will be on the card."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """One name."""

    mode: int
    """Type and permissions."""
    owner: tuple[int, int]
    links: int
    """Names of the same file; 0 for folders."""
    device: int
    mtime_ns: int
    target: str
    """Where a symbolic link leads."""
    sha256: str
    attributes: tuple[tuple[str, bytes], ...]
    """Capabilities and access lists among them."""


def nodes(root: Path, epoch: int) -> dict[str, Node]:
    """Everything below a folder, and itself as "/". No time counts that is later than `epoch`: the build clamps it."""
    found = {"/": _node(root, epoch)}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            found[f"/{path.relative_to(root)}"] = _node(path, epoch)
    return found


def differences(one: Path, other: Path, epoch: int) -> list[str]:
    """A line for everything in which two folders differ, sorted by path."""
    left, right = nodes(one, epoch), nodes(other, epoch)
    lines = []
    for path in sorted(left.keys() | right.keys()):
        if path not in left or path not in right:
            lines.append(f"{path}: only in {one if path in left else other}")
        elif left[path] != right[path]:
            a, b = asdict(left[path]), asdict(right[path])
            lines.append(f"{path}: " + ", ".join(f"{name} {a[name]} and {b[name]}" for name in a if a[name] != b[name]))
    return lines


def _node(path: Path, epoch: int) -> Node:
    status = path.lstat()
    is_file, is_link = stat.S_ISREG(status.st_mode), stat.S_ISLNK(status.st_mode)
    return Node(
        mode=status.st_mode,
        owner=(status.st_uid, status.st_gid),
        links=0 if stat.S_ISDIR(status.st_mode) else status.st_nlink,
        device=status.st_rdev,
        mtime_ns=min(status.st_mtime_ns, epoch * 10**9),
        target=str(path.readlink()) if is_link else "",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest() if is_file else "",
        attributes=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in _attributes(path)),
    )


def _attributes(path: Path) -> list[str]:
    """But for what overlayfs notes for itself."""
    return sorted(n for n in os.listxattr(path, follow_symlinks=False) if ".overlay." not in n)
