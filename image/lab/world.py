"""A world of its own: user, mount, PID and network namespaces that end, with all that runs in them, when we do.

Its first process is a `cat` that reads a pipe held open here. When this process ends, for whatever
reason, `cat` reads the end of the file; it is PID 1 in there, so the kernel kills everything else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from image import run as door

TUN = Path("/dev/net/tun")
SOURCES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class World:
    """A running world. `logs` is the folder that the output of what runs in it goes to."""

    pid: int
    logs: Path

    def run(self, namespace: str, argv: Sequence[door.Word], *, stdin: str | None = None, timeout_s: float = 60) -> str:
        """Run a program to its end in a network namespace and return what it printed; PermanentError if it fails."""
        limited = ["timeout", "--kill-after=5", str(timeout_s), *argv]
        return door.run(self.entering(namespace, limited), stdin=stdin, env=self.environment())

    @contextmanager
    def running(
        self, namespace: str, argv: Sequence[door.Word], *, log: str, stdin: str | None = None
    ) -> Iterator[door.Child]:
        """A program that runs in a network namespace while the block runs; its output is in `logs`/`log`.log.

        What is typed at our terminal (Ctrl-C) is not for it: it ends with its block.
        """
        words = ["setsid", *self.entering(namespace, argv)]
        with self.log(log).open("ab") as file:
            child = door.start(words, env=self.environment(), pipe_stdin=stdin is not None, stdout=file, stderr=file)
        if child.stdin is not None:
            with suppress(BrokenPipeError), child.stdin as pipe:  # its log says why it has ended
                pipe.write((stdin or "").encode())
        try:
            yield child
        finally:
            end_inside(child)

    def entering(self, namespace: str, argv: Sequence[door.Word]) -> list[door.Word]:
        """The words that run `argv` in one of this world's network namespaces."""
        return [*self.prefix, "nsenter", f"--net=/run/netns/{namespace}", "--", *argv]

    def enter(self, argv: Sequence[door.Word]) -> str:
        """Run a program in the world's first network namespace, which is for making the others."""
        return door.run([*self.prefix, *argv])

    @property
    def prefix(self) -> list[door.Word]:
        """The words that enter this world."""
        spaces = ("--user", "--mount", "--net", "--pid")
        return ["nsenter", "--target", str(self.pid), *spaces, "--preserve-credentials", "--"]

    def add_namespace(self, namespace: str) -> None:
        """Make one more network namespace, with its loopback interface up."""
        self.enter(["ip", "netns", "add", namespace])
        self.run(namespace, ["ip", "link", "set", "lo", "up"])

    def log(self, name: str) -> Path:
        """The file that a program's output goes to."""
        return self.logs / f"{name}.log"

    @staticmethod
    def environment() -> dict[str, str]:
        """What the lab's own programs need to be found."""
        return {"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def world(logs: Path) -> Iterator[World]:
    """A world that exists while the block runs. InputError if this machine or user cannot have one."""
    if not TUN.exists():
        raise InputError(f"{TUN} is missing", hint="sudo modprobe tun")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise InputError(f"{TUN} may not be used by this user", hint=f"sudo chmod 0666 {TUN}, as udev does on Debian")
    logs.mkdir(parents=True, exist_ok=True)
    with first_process(logs / "world.log") as pid:
        made = World(pid, logs)
        made.enter(["mount", "-t", "tmpfs", "lab", "/run"])
        made.enter(["mkdir", "/run/netns"])
        yield made


@contextmanager
def first_process(log: Path) -> Iterator[int]:
    """The `cat` that holds the namespaces, by its process id out here."""
    reader, writer = os.pipe()
    with log.open("ab") as errors:
        spaces = ("--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child")
        argv = ["setsid", "unshare", *spaces, "cat"]
        unshare = door.start(argv, pipe_stdin=True, stdout=writer, stderr=errors)
    os.close(writer)
    assert unshare.stdin is not None  # asked for above
    with unshare.stdin as hold, os.fdopen(reader, "rb") as echo:
        try:
            with suppress(BrokenPipeError):
                os.write(hold.fileno(), b"ready\n")
            if not echo.readline():
                raise InputError(
                    f"no namespaces for this user: {log.read_text().strip()}",
                    hint="sudo sysctl kernel.unprivileged_userns_clone=1, or run as root",
                )
            yield children(unshare.pid)[0]
        finally:
            hold.close()
            unshare.wait()


def children(pid: int) -> list[int]:
    """The process ids of a process's children. (Not every kernel has /proc/PID/task/PID/children.)"""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if parent(path) == pid]


def parent(stat: Path) -> int | None:
    """The parent in a /proc/PID/stat, see proc(5); None when the process is gone."""
    with suppress(OSError):
        return int(stat.read_text().rpartition(")")[2].split()[1])
    return None


def kill_inside(entered: door.Child) -> None:
    """Kill what runs under an `nsenter`, which passes on no signal: it has no chance to do anything more."""
    for pid in children(entered.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    entered.wait()


def end_inside(entered: door.Child, *, grace_s: float = 5) -> None:
    """End what runs under an `nsenter`, which passes on no signal: SIGTERM, then SIGKILL after `grace_s` seconds."""
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if entered.poll() is not None:
            return
        for pid in children(entered.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while entered.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
