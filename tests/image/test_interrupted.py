"""A build that is interrupted, by Ctrl-C or by a signal to itself alone: one line, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.recipe import PROJECT

pytestmark = pytest.mark.programs


@pytest.fixture
def mirror() -> Iterator[socket.socket]:
    """Whoever comes waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.mark.parametrize("whom", ["all", "the one that was started"])
def test_it_ends_with_a_line(whom: str, mirror: socket.socket, tmp_path: Path) -> None:
    """Ctrl-C is sent to all that run there; `kill -INT`, to one."""
    options = ["--mirror", f"http://127.0.0.1:{mirror.getsockname()[1]}/debian", "--cache", "cache", "-o", "out"]
    argv = [sys.executable, "-m", "appliance", "build", *options]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        asking, _ = mirror.accept()
        (os.killpg if whom == "all" else os.kill)(child.pid, signal.SIGINT)
        try:
            _, told = child.communicate(timeout=60)
        finally:
            child.kill()
            asking.close()
    kept = "what was complete before is kept, and the next build goes on from there"
    assert told.splitlines()[1:] == [f"interrupted in index; {kept}"], "behind what --mirror means"
    assert child.returncode == 130
    assert not list((tmp_path / "cache/work").iterdir())
