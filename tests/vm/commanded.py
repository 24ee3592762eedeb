"""A lab that an ordinary user has started with the command, and tests that look into it from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwnam
from socket import socket
from typing import Any

from appliance import parse
from image import run as door
from image.lab.gateway import Lab
from image.lab.guest import Answer, Guest
from image.lab.session.door import Request, ask
from image.lab.site import site_of
from image.lab.waiting import until
from image.lab.world import SOURCES, World
from tests.lab.users_command import USER
from tests.vm.conftest import Booted

NAME = "vm"
PROGRAM = (sys.executable, "-B", "-m", "tests.lab.users_command")
ENDED_S = 60.0


@dataclass(frozen=True)
class OfUser(World):
    """The world of a user who is not us: root, who has no rights in there."""

    @property
    def prefix(self) -> list[door.Word]:
        known = getpwnam(USER)
        return ["setpriv", f"--reuid={known.pw_uid}", f"--regid={known.pw_gid}", "--clear-groups", *super().prefix]


class Asked(Guest):
    """The machine of such a lab, asked through its door."""

    def __init__(self, control: Path) -> None:
        super().__init__(socket(), lambda: None, Path())
        self.line.close()
        self.control = control

    def _request(self, request: dict[str, Any]) -> Answer:
        reply = ask(self.control, Request("guest", (json.dumps(request),)))
        assert not reply.failed, reply.output
        return Answer(**json.loads(reply.output))


@dataclass(frozen=True)
class Commanded:
    """The user's first terminal, in which the lab runs, and what he sees in others."""

    scratch: Path
    child: subprocess.Popen[bytes]

    @property
    def control(self) -> Path:
        return self.scratch / "run/appliance-lab" / NAME / "control"

    @property
    def told(self) -> str:
        """What the first terminal shows."""
        return (self.scratch / "told").read_text()

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`appliance lab` in another terminal."""
        argv = [*PROGRAM, "again", str(self.scratch), "lab", *words]
        entered = ["nsenter", f"--target={self.child.pid}", "--mount", f"--wd={SOURCES}", *argv]
        return subprocess.run(entered, capture_output=True, text=True, check=False)

    def says(self, *words: str) -> str:
        """What that prints, if it does not fail."""
        done = self.lab(*words)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def left(self) -> list[Path]:
        """What there is of it but its logs: sockets, and the card."""
        return [*(self.scratch / "tmp").iterdir(), *(self.scratch / "run/appliance-lab").iterdir()]

    def booted(self, config: str) -> Booted:
        """The same lab as others have it."""
        appliance = parse.parse_text(config.encode(), "appliance.yaml").appliance
        entered = ask(self.control, Request("shell", ("client",))).argv
        world = OfUser(int(entered[entered.index("--target") + 1]), self.scratch / "logs")
        return Booted(Lab(world, site_of(appliance)), Asked(self.control), appliance, config)


def inside(pid: int) -> list[int]:
    """The processes of the world whose first one that is."""
    space = space_of(Path(f"/proc/{pid}"))
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if space is not None and space_of(path) == space]


def space_of(process: Path) -> Path | None:
    """The PID namespace that a process is in; None once it has ended."""
    with suppress(OSError):
        return (process / "ns/pid").readlink()
    return None


def begun(image: Path, config: str, scratch: Path, *words: str) -> list[str]:
    """The words of `appliance lab IMAGE` by a user who has the image, as it is flashed, in a folder."""
    packed = image.with_name(f"{image.name}.zst")
    shutil.copy(packed, scratch)
    (scratch / "appliance.yaml").write_text(config)
    called = ("lab", packed.name, "--config", "appliance.yaml", "--headless", *words)
    return ["unshare", "--mount", *PROGRAM, "begin", str(scratch), *called]


@contextmanager
def commanding(image: Path, config: str) -> Iterator[Commanded]:
    """`appliance lab IMAGE`, with the image as it is flashed, while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        argv = begun(image, config, scratch, "--name", NAME, "--logs", "logs")
        with (scratch / "told").open("wb") as told:
            child = subprocess.Popen(argv, cwd=SOURCES, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        lab = Commanded(scratch, child)
        try:
            until(lambda: lab.control.exists() or child.poll() is not None, "the door is open", timeout_s=120)
            assert child.poll() is None, lab.told
            yield lab
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(ENDED_S)
