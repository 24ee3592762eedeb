"""Let the kernel run arm64 programs through qemu-user, also in a container."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image.inside.emulation import entry

FOLDER = Path("/proc/sys/fs/binfmt_misc")
ENTRY = "qemu-aarch64-tests"


@contextmanager
def arm64_runs() -> Iterator[None]:
    """While the block runs; what was not there before is taken away again."""
    if os.uname().machine == "aarch64":
        yield
        return
    mounted = not (FOLDER / "register").exists()
    if mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(FOLDER)], check=True)
    registered = not any(usable(file) for file in FOLDER.glob("qemu-aarch64*"))
    if registered:
        interpreter = shutil.which("qemu-aarch64-static")
        assert interpreter, "qemu-user-static is not installed"
        (FOLDER / "register").write_text(entry(ENTRY, "aarch64", interpreter))
    try:
        yield
    finally:
        if registered:
            (FOLDER / ENTRY).write_text("-1")
        if mounted:
            subprocess.run(["umount", str(FOLDER)], check=True)


def usable(file: Path) -> bool:
    """Whether the entry is enabled and works in a container."""
    words = file.read_text().split()
    return "enabled" in words and any("F" in flags for flags in words[words.index("flags:") + 1 :][:1])
