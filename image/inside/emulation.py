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

MAGIC = {
    "aarch64": "7f454c460201010000000000000000000200b700",
    "arm": "7f454c4601010100000000000000000002002800",
}
"""The ELF header of each machine's little-endian programs, as scripts/qemu-binfmt-conf.sh in QEMU's source has it."""
MASK = "ffffffffffffff00fffffffffffffffffeffffff"
"""Which of its bits count: programs and shared objects alike."""
NATIVE = {"aarch64": ("aarch64",), "arm": ("armv6l", "armv7l")}
"""The kernel's names of the machines that need no emulation."""

INITIAL_USER_NAMESPACE = 0xEFFFFFFD
"""Its inode number: PROC_USER_INIT_INO in the kernel's include/linux/proc_ns.h."""


def is_native(machine: str) -> bool:
    """Whether this machine runs that one's programs itself."""
    return os.uname().machine in NATIVE[machine]


def enable(machine: str) -> None:
    """Make the programs of `machine` (as QEMU calls it) run, for as long as our namespaces exist.

    Raises InputError if that cannot be had here.
    """
    if is_native(machine) or _registered(machine):
        return
    interpreter = shutil.which(f"qemu-{machine}-static")
    if interpreter is None:
        raise missing(f"qemu-{machine}-static")
    if not _own_table():
        raise InputError(
            f"this machine cannot run programs for {machine}: binfmt_misc has no entry for them",
            hint="sudo apt-get install qemu-user-static binfmt-support, or use Linux 6.7 or later",
        )
    (BINFMT / "register").write_text(entry(f"qemu-{machine}", machine, interpreter))


def entry(name: str, machine: str, interpreter: str) -> str:
    """What binfmt_misc's `register` takes for the programs of `machine`.

    F: the interpreter is opened when it is registered, so that it need not exist in the image or container.
    """
    return f":{name}:M::{_escaped(MAGIC[machine])}:{_escaped(MASK)}:{interpreter}:F"


def _registered(machine: str) -> bool:
    """Whether an enabled entry for its programs exists whose interpreter works inside a chroot (flag F)."""
    for entry in BINFMT.glob("qemu-*"):
        lines = entry.read_text().splitlines()
        flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
        if {"enabled", f"magic {MAGIC[machine]}"} <= set(lines) and "F" in flags:
            return True
    return False


def _escaped(hexadecimal: str) -> str:
    """As binfmt_misc takes bytes."""
    return "".join(f"\\x{byte:02x}" for byte in bytes.fromhex(hexadecimal))


def _own_table() -> bool:
    """Mount a table of our own; False where there is only the machine's, which is not ours to change."""
    if Path("/proc/self/ns/user").stat().st_ino == INITIAL_USER_NAMESPACE:
        return False
    try:
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    except PermanentError:
        return False
    return True
