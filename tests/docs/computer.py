"""A Debian of its own, in which somebody works who may use sudo, and who has pip's packages at hand that are locked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from image.deb import wheel
from image.deb.builder import FROM_PYPI
from image.recipe import PROJECT
from image.run import run
from tests.roots import within

USER, USER_ID = "me", 1000
PACKAGES = "sudo,ca-certificates,mount"
GIVEN = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "DEBIAN_FRONTEND": "noninteractive"}
LONGEST_S = 900


class Computer:
    """`home`: where the sources are."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / "home" / USER / "appliance"

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """In a terminal in which the command `appliance` is known, once it is there."""
        known = f"cd ~/appliance; [ ! -e .venv/bin/activate ] || . .venv/bin/activate; {command}"
        return subprocess.run(
            [*within(self.root), "su", "--login", USER, "-w", ",".join(GIVEN), "-c", known],
            env={**os.environ, **GIVEN},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    def give(self, name: str, content: str) -> None:
        """A file of the user's, beside the sources."""
        file = self.home / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
        self.own(file)

    def own(self, path: Path) -> None:
        """Have it, and all that is in it, be the user's."""
        run(["chown", "-R", f"{USER_ID}:{USER_ID}", path])


def installed(release: str, root: Path) -> Computer:
    """A plain one; a computer without a network would do for pip."""
    made = ["mmdebstrap", "--variant=apt", "--skip=cleanup/apt", f"--include={PACKAGES}", release, str(root)]
    run(["unshare", "--mount", *made])
    locked = ["--require-hashes", "-r", "image/requirements.lock", "-d", str(root / "wheels")]
    run([sys.executable, "-m", "pip", "download", "--quiet", *locked], cwd=PROJECT)
    wheel.download(FROM_PYPI, root / "wheels")  # for `make deb`
    run(["chroot", root, "useradd", "--uid", str(USER_ID), "--create-home", "--shell=/bin/bash", USER])
    (root / "etc/sudoers.d" / USER).write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    return Computer(root)
