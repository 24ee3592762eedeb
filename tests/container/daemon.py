"""A Docker daemon for the tests: the machine's if there is one, otherwise one of our own that is ended with them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image.run import running

OPTIONS = ("--iptables=false", "--ip6tables=false", "--bridge=none")
"""No network: the tests need none, and the machine's firewall is not ours to change."""
START_S = 60


@contextmanager
def docker(folder: Path) -> Iterator[str]:
    """The daemon's address while the block runs. Our own keeps everything in `folder`."""
    theirs = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if answers(theirs):
        yield theirs
        return
    address = f"unix://{folder}/socket"
    places = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    log = folder / "dockerd.log"
    with running(["dockerd", *places, "--host", address, *OPTIONS], log=log, grace_s=20) as child:
        deadline = time.monotonic() + START_S
        while not answers(address):
            assert child.poll() is None, f"dockerd ended:\n{log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"dockerd does not answer:\n{log.read_text()[-2000:]}"
            time.sleep(0.2)
        yield address


def answers(address: str) -> bool:
    done = subprocess.run(["docker", "--host", address, "version"], capture_output=True, check=False)
    return done.returncode == 0
