"""What is in an image's root file system, for comparing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ext4

from image.disk import partitions
from image.disk.layout import SECTOR_BYTES


@dataclass(frozen=True)
class Node:
    """One name in the file system."""

    mode: int
    uid: int
    gid: int
    links: int
    """Names of the same file; 0 for folders."""
    mtime: int
    size: int
    target: str
    """Where a symbolic link leads."""
    beginning: bytes
    """The first bytes of a file."""
    sha256: str
    attributes: tuple[tuple[str, bytes], ...]


def contents(image: Path) -> dict[str, Node]:
    """Everything, by absolute path."""
    found: dict[str, Node] = {}
    start = partitions.read_table(image).root_start * SECTOR_BYTES
    with image.open("rb") as file:
        volume = ext4.Volume(file, offset=start)

        def look(folder: Any, path: str) -> None:
            for entry, _ in folder.opendir():
                if entry.name_str in (".", "..") or (not path and entry.name_str == "lost+found"):
                    continue
                inode = volume.inodes[entry.inode]
                found[f"{path}/{entry.name_str}"] = _node(inode)
                if isinstance(inode, ext4.Directory):
                    look(inode, f"{path}/{entry.name_str}")

        look(volume.root, "")
    return found


def _node(inode: Any) -> Node:
    is_folder, is_file = isinstance(inode, ext4.Directory), isinstance(inode, ext4.File)
    data = inode.open().read() if is_file else b""
    return Node(
        mode=inode.i_mode,
        uid=inode.i_uid,
        gid=inode.i_gid,
        links=0 if is_folder else inode.i_links_count,
        mtime=inode.i_mtime,
        size=0 if is_folder else inode.i_size,
        target=inode.readlink().decode() if isinstance(inode, ext4.SymbolicLink) else "",
        beginning=data[:16],
        sha256=hashlib.sha256(data).hexdigest(),
        attributes=tuple(inode.xattrs),
    )
