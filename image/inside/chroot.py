"""Runs programs inside an image's root file system, with what they expect of a machine around them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import PermanentError
from image.debian.tool_root import ToolRoot
from image.inside.mounts import bound, mounted
from image.run import run

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 (a tmpfs of ours, inside)
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "SYSTEMD_OFFLINE": "1",
}
"""What every program inside is given: nothing of the host's environment gets in."""

POLICY = "#!/bin/sh\n# No service starts while the image is built; see invoke-rc.d(8).\nexit 101\n"


@dataclass(frozen=True)
class Chroot:
    """A root file system in which programs can run."""

    root: Path
    log: Path
    environment: Mapping[str, str]
    """All that programs inside know of the outside."""
    tools: ToolRoot | None = None
    """What can stand in for programs of a foreign image."""

    @contextmanager
    def lent(self, without: Collection[str] = ()) -> Iterator[None]:
        """Native programs stand in for the image's own, if there are any, but for those of the packages `without`."""
        with ExitStack() as stack:
            if self.tools is not None:
                stack.enter_context(self.tools.lent(self.root, without))
            yield

    def run(self, *argv: str, stdin: str | None = None) -> str:
        """Run a program inside, with NAME=VALUE before it as in a shell; returns what it printed.

        Raises PermanentError if it fails.
        """
        return run(chrooted(self.root, argv, self.environment), stdin=stdin, log=self.log, called=argv)


def chrooted(root: Path, argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command that runs `argv` inside `root` with that environment and no other."""
    return ["chroot", os.fspath(root), "/usr/bin/env", "-i", *(f"{k}={v}" for k, v in environment.items()), *argv]


@contextmanager
def entered(root: Path, log: Path, environment: Mapping[str, str], tools: ToolRoot | None = None) -> Iterator[Chroot]:
    """`root` with /proc, a small /dev, a /tmp and /run of its own, and services kept from starting.

    `environment` is added to what programs inside are given; `tools` stand in for them where that is asked for.
    """
    policy = root / "usr/sbin/policy-rc.d"
    with ExitStack() as stack:
        for folder in ("proc", "dev", "run", "tmp"):
            (root / folder).mkdir(exist_ok=True)
        stack.enter_context(_proc(root / "proc"))
        stack.enter_context(mounted(root / "dev", "-t", "tmpfs", "-o", "mode=755", "tmpfs"))
        _fill_dev(root / "dev", stack)
        for folder, mode in (("run", "755"), ("tmp", "1777")):
            stack.enter_context(mounted(root / folder, "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs"))
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(POLICY)
        policy.chmod(0o755)
        try:
            yield Chroot(root, log, {**ENVIRONMENT, **environment}, tools)
        finally:
            policy.unlink()


@contextmanager
def _proc(target: Path) -> Iterator[None]:
    """One for our own processes; in a container that hides parts of its /proc the kernel allows only that one again."""
    with ExitStack() as stack:
        try:
            stack.enter_context(mounted(target, "-t", "proc", "proc"))
        except PermanentError:
            stack.enter_context(mounted(target, "--rbind", "/proc"))
        yield


def _fill_dev(dev: Path, stack: ExitStack) -> None:
    """The host's harmless devices: nodes cannot be made inside a user namespace, only borrowed."""
    for name in DEVICES:
        (dev / name).touch()
        stack.enter_context(bound(Path("/dev", name), dev / name))
    for name, target in {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (dev / name).symlink_to(f"/proc/self/{target}")
    (dev / "shm").mkdir(mode=0o1777)
    (dev / "pts").mkdir()
