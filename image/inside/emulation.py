"""Lets this machine run the programs of an image of another architecture: qemu-user through binfmt_misc.

The kernel's table of formats belongs to a user namespace (Linux 6.7 and later), so that what is
registered in the build's own one is gone with it. See binfmt_misc in the kernel's admin guide.
"""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

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


EXIT = {
    "aarch64": struct.pack("<3I", 0xD2800BA8, 0xD2800000, 0xD4000001),  # mov x8, 93; mov x0, 0; svc 0
    "arm": struct.pack("<3I", 0xE3A07001, 0xE3A00000, 0xEF000000),  # mov r7, 1; mov r0, 0; svc 0
}
"""What ends a program well: the system call exit(0)."""


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
    if _own_table():
        (BINFMT / "register").write_text(entry(f"qemu-{machine}", machine, interpreter))
    elif not _runs(machine):
        raise InputError(
            f"this machine cannot run programs for {machine}: binfmt_misc has no entry for them",
            hint="sudo apt-get install qemu-user-static binfmt-support, not in a container but on the machine whose "
            "kernel it is, or use Linux 6.7 or later",
        )


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


def _runs(machine: str) -> bool:
    """Whether the kernel runs its programs in a folder where nothing else is, as in an image: the table may have an
    entry for them that nobody sees here, as in a container.
    """
    with TemporaryDirectory() as folder:
        Path(folder, "program").write_bytes(program(machine))
        Path(folder, "program").chmod(0o755)
        try:
            run(["chroot", folder, "/program"])
        except PermanentError:
            return False
    return True


def program(machine: str) -> bytes:
    """The smallest program for a machine: its ELF header, one segment with all of it, and `EXIT`; see elf(5)."""
    code, address, page = EXIT[machine], 0x10000, 0x10000
    sizes = (64, 56) if machine == "aarch64" else (52, 32)
    begin, whole = sum(sizes), sum(sizes) + len(code)
    if machine == "aarch64":
        header = struct.pack("<I3QI6H", 1, address + begin, sizes[0], 0, 0, *sizes, 1, 0, 0, 0)
        segment = struct.pack("<2I6Q", 1, 5, 0, address, address, whole, whole, page)
    else:
        header = struct.pack("<5I6H", 1, address + begin, sizes[0], 0, 0x05000000, *sizes, 1, 0, 0, 0)
        segment = struct.pack("<8I", 1, 0, address, address, whole, whole, 5, page)
    return bytes.fromhex(MAGIC[machine]) + header + segment + code


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
