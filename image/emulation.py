"""Lets this machine run the programs of an image of another architecture: qemu-user through binfmt_misc.

The kernel's table of formats belongs to a user namespace (Linux 6.7 and later), so that what is
registered in the build's own one is gone with it. See binfmt_misc in the kernel's admin guide.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.run import missing, run

BINFMT = Path("/proc/sys/fs/binfmt_misc")

MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}
"""Debian's name of an architecture: the kernel's."""

# ELF header of a 64-bit little-endian AArch64 program or shared object, and which of its bits count.
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
NAME = "qemu-aarch64"

INITIAL_USER_NAMESPACE = 0xEFFFFFFD
"""Its inode number: PROC_USER_INIT_INO in the kernel's include/linux/proc_ns.h."""


def is_native(architecture: str) -> bool:
    """Whether this machine runs that architecture's programs itself."""
    return MACHINES[architecture] == os.uname().machine


def enable(architecture: str) -> None:
    """Make `architecture`'s programs run, for as long as our namespaces exist.

    Raises InputError if that cannot be had here.
    """
    if is_native(architecture) or _registered():
        return
    interpreter = shutil.which("qemu-aarch64-static")
    if interpreter is None:
        raise missing("qemu-aarch64-static")
    if not _own_table():
        raise InputError(
            f"this machine cannot run programs for {architecture}: binfmt_misc has no entry for them",
            hint="sudo apt-get install qemu-user-static binfmt-support, or use Linux 6.7 or later",
        )
    # F: the interpreter is opened now, so that it need not exist in the image.
    (BINFMT / "register").write_text(f":{NAME}:M::{MAGIC}:{MASK}:{interpreter}:F")


def _registered() -> bool:
    """Whether an enabled entry for AArch64 exists whose interpreter works inside a chroot (flag F)."""
    for entry in BINFMT.glob("qemu-aarch64*"):
        lines = entry.read_text().splitlines()
        flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
        if "enabled" in lines and "F" in flags:
            return True
    return False


def _own_table() -> bool:
    """Mount a table of our own; False where there is only the machine's, which is not ours to change."""
    if Path("/proc/self/ns/user").stat().st_ino == INITIAL_USER_NAMESPACE:
        return False
    try:
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    except PermanentError:
        return False
    return True
