"""A network namespace of a test's own, lived in by one thread; it is gone when the thread ends."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000

P = ParamSpec("P")
T = TypeVar("T")


class Namespace:
    """Network, mounts and host name of its own. Functions and programs run in it by `call` and `program`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self.thread_id: int = self.call(_enter)
        self.program("ip", "link", "set", "lo", "up")

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the namespace."""
        return self._thread.submit(function, *args, **kwargs).result()

    def program(self, *argv: str, stdin: str = "") -> str:
        """Run a program in the namespace and return what it printed."""
        return self.call(_run, argv, stdin)

    @staticmethod
    def begin(*argv: str) -> subprocess.Popen[str]:
        """Start a program; to be called in the namespace."""
        pipe = subprocess.PIPE
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=environment)

    def connect(self, name: str, other: Namespace, other_name: str) -> None:
        """Lay a wire from here to another namespace; both ends are up and have no addresses but link-local ones."""
        peer = ("peer", "name", other_name, "netns", str(other.thread_id))
        self.program("ip", "link", "add", name, "type", "veth", *peer)
        self.program("ip", "link", "set", name, "up")
        other.program("ip", "link", "set", other_name, "up")


def _enter() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _run(("mount", "--make-rprivate", "/"))
    return threading.get_native_id()


def _run(argv: tuple[str, ...], stdin: str = "") -> str:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    finished = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, env=environment)
    assert finished.returncode == 0, f"{argv}: {finished.stdout}{finished.stderr}"
    return finished.stdout
