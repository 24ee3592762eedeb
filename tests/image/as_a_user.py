"""A program: become an ordinary user with a range of subordinate ids, and run `appliance` as that.

    as_a_user.py USER COMMAND...

The range is only in a mount namespace of its own; the machine's files are not touched.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from appliance import cli

# Imported as root: the user may not be able to read where they lie. The others, builds load when they need them.
from image import download  # noqa: F401
from image.cli import build  # noqa: F401
from image.disk import ext4_files  # noqa: F401
from image.stages import guard  # noqa: F401

FIRST, COUNT = 500_000, 65_536


def give_range(user: str, scratch: Path) -> None:
    """Subordinate ids for `user`, in this mount namespace."""
    for name in ("subuid", "subgid"):
        file = scratch / name
        file.write_text(f"{user}:{FIRST}:{COUNT}\n")
        file.chmod(0o644)
        target = Path("/etc", name)
        subprocess.run(["mount", "--bind", file, target], check=True)


def show_python(scratch: Path) -> None:
    """Where this Python lies in a folder that the user may not enter, that has nothing but it in this mount namespace.

    A build starts another one of the same.
    """
    prefix = Path(sys.base_prefix)
    closed = next((folder for folder in reversed(prefix.parents) if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return
    kept = scratch / "python"
    kept.mkdir()
    subprocess.run(["mount", "--bind", prefix, kept], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", closed], check=True)
    prefix.mkdir(parents=True)
    subprocess.run(["mount", "--bind", kept, prefix], check=True)


def become(user: str, home: Path) -> None:
    """That user, in no group but its own."""
    known = pwd.getpwnam(user)
    os.environ |= {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "USER": user}
    os.setgroups([])
    os.setresgid(known.pw_gid, known.pw_gid, known.pw_gid)
    os.setresuid(known.pw_uid, known.pw_uid, known.pw_uid)
    os.chdir(home)


def main(user: str, scratch: str, *command: str) -> int:
    """Run the command as the user, in the folder `scratch`, which is given to it."""
    folder = Path(scratch)
    give_range(user, folder)
    show_python(folder)
    os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    become(user, folder)
    return cli.main(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
