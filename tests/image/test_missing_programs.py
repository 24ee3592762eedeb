"""A build on a machine that lacks a program: which Debian package has it is said at once."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from image import run
from image.recipe import PROJECT

HIDING = """\
mount -t tmpfs none /proc/sys/fs/binfmt_misc || exit 9  # the machine's table may have opened a program already
for file; do [ "$file" = -- ] && break; mount --bind /dev/null "$file" || exit 9; shift; done
shift; exec "$@"
"""


def started() -> set[str]:
    """The programs that the build starts, by the first words of the lists in its source."""
    names = set()
    for file in (PROJECT / "image").glob("**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("run", "start", "running") and node.args:
                first = node.args[0].elts[0] if isinstance(node.args[0], ast.List) and node.args[0].elts else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    names.add(first.value)
    return names


def test_of_every_program_it_is_known_which_package_has_it() -> None:
    assert len(started()) > 10, "they are found"
    assert started() - run.PACKAGES.keys() == set()


@pytest.mark.programs
@pytest.mark.parametrize(
    ("program", "package"),
    [("qemu-aarch64-static", "qemu-user-static"), ("apt-get", "apt"), ("mount", "mount"), ("mkfs.fat", "dosfstools")],
)
def test_a_build_says_which_package_has_what_is_missing(program: str, package: str, tmp_path: Path) -> None:
    if program.startswith("qemu") and os.uname().machine == "aarch64":
        pytest.skip("this machine needs none")
    found = shutil.which(program)
    assert found is not None
    arguments = ["build", "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "out")]
    argv = [sys.executable, "-m", "appliance", *arguments]
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-auto", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*own, "sh", "-c", HIDING, "sh", found, "--", *argv], capture_output=True, text=True, check=False
    )
    said = f"error: the program {program} is not installed\nhint: sudo apt-get install {package}\n"
    assert (done.returncode, done.stderr) == (2, said)
