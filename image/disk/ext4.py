"""Makes ext4 file systems out of folders, with mke2fs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from image.run import run

BLOCK_BYTES = 4096
INODE_BYTES = 256
FIRST_INODE = 11
"""Those before are the file system's own."""
BYTES_PER_INODE = 16384
JOURNAL_BYTES = 64 << 20
ALIGN_BYTES = 4 << 20

FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,"
    "dir_nlink,extra_isize,metadata_csum"
)
"""Those of Raspberry Pi OS (mke2fs's own with ^64bit,^huge_file), spelled out."""


def size_for(tree: Path, free_bytes: int) -> tuple[int, int]:
    """Size in bytes and number of inodes for a file system with the content of `tree` and `free_bytes` free."""
    blocks = inodes = 0
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(tree):
        for name in (*files, *folders):
            known = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (a hundred thousand of them)
            if (known.st_dev, known.st_ino) in seen:
                continue
            seen.add((known.st_dev, known.st_ino))
            inodes += 1
            blocks += -(-known.st_size // BLOCK_BYTES)
    content = blocks * BLOCK_BYTES + JOURNAL_BYTES + free_bytes
    # Inode tables take their share of the whole; 5 % stay reserved for root.
    whole = int(content / (1 - INODE_BYTES / BYTES_PER_INODE - 0.05)) + ALIGN_BYTES
    size = -(-whole // ALIGN_BYTES) * ALIGN_BYTES
    return size, max(size // BYTES_PER_INODE, inodes * 5 // 4)


def make(file: Path, tree: Path, *, size_bytes: int, inodes: int, label: str, uuid: str, epoch: int) -> None:
    """Make a file system with the content of `tree` in `file`, which is made sparse."""
    with file.open("wb") as empty:
        empty.truncate(size_bytes)
    run(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-O", FEATURES),
            *("-b", str(BLOCK_BYTES), "-I", str(INODE_BYTES), "-N", str(inodes)),
            *("-J", f"size={JOURNAL_BYTES >> 20}"),
            *("-E", f"hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"),
            *("-L", label, "-U", uuid, "-d", tree, file),
        ],
        env={**present(epoch), "MKE2FS_CONFIG": os.devnull},  # what is not said above is built in, on every host
    )


def settle_times(file: Path, epoch: int) -> None:
    """Let every file's ctime and atime be `epoch`: mke2fs before 1.47.1 takes them from the folder, where ctime is now.

    `make` and whatever else writes to the file system come before.
    """
    told = run(["dumpe2fs", file])
    count = int(re.findall(r"^Inode count: +(\d+)$", told, re.MULTILINE)[0])
    used = set(range(FIRST_INODE, count + 1)).difference(*_numbers("Free inodes", told))
    fields = [f"set_inode_field <{inode}> {field} @{epoch}" for inode in sorted(used) for field in ("ctime", "atime")]
    run(["debugfs", "-w", "-f", "-", file], stdin="\n".join(fields) + "\n", env=present(epoch))


def free(file: Path) -> list[range]:
    """Where the file system in `file` has nothing, in bytes: no content, and no table of its own."""
    runs = _numbers("Free blocks", run(["dumpe2fs", file]))
    return [range(blocks.start * BLOCK_BYTES, blocks.stop * BLOCK_BYTES) for blocks in runs]


def _numbers(what: str, told: str) -> list[range]:
    """What dumpe2fs tells of each block group, with those that follow each other as one."""
    runs: list[range] = []
    for line in re.findall(rf"^  {what}: (.+)$", told, re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", line):
            begin, end = int(first), int(last or first) + 1
            if runs and runs[-1].stop == begin:
                begin = runs.pop().start
            runs.append(range(begin, end))
    return runs


def present(epoch: int) -> dict[str, str]:
    """The environment in which the programs of e2fsprogs take `epoch` for the present."""
    return {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch)}
