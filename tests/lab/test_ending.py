"""How a lab ends whoever ends it, at whatever moment, and two labs at once. No QEMU: see `played_machine`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from image.lab.session import places
from image.lab.waiting import until
from image.lab.world import SOURCES
from tests.lab.images import partitioned
from tests.lab.test_expected import CONFIG, LINUX, left

pytestmark = pytest.mark.netns
PROGRAM = (sys.executable, "-m", "tests.lab.users_lab", "lab")
LONGEST_S = 240
NOTHING_LEFT = "ended: nothing of it is left"


class Terminal:
    """A lab that somebody has started in a terminal of his own."""

    def __init__(self, child: subprocess.Popen[bytes], scratch: Path, name: str, shown: Path) -> None:
        self.child = child
        self.folder = scratch / "run/appliance-lab" / name
        self.files = scratch / "tmp"
        self.shown = shown

    @property
    def told(self) -> str:
        """What is to be read in it."""
        return self.shown.read_text()

    def reaches(self, moment: str) -> None:
        """Wait until it is so far, see `MOMENTS`."""
        until(lambda: MOMENTS[moment](self) or self.child.poll() is not None, moment, timeout_s=LONGEST_S, every_s=0.01)
        assert self.child.poll() is None, self.told

    def end(self, number: signal.Signals) -> int:
        """As Ctrl-C does: the signal is for all that belongs to the terminal."""
        os.killpg(self.child.pid, number)
        return self.child.wait(LONGEST_S)


MOMENTS: dict[str, Callable[[Terminal], bool]] = {
    "claimed": lambda lab: lab.folder.exists(),
    "door": lambda lab: (lab.folder / places.CONTROL).exists(),
    "copying": lambda lab: any(lab.files.glob("*/card.img")),
    "power": lambda lab: "power: on" in lab.told,
    "kernel": lambda lab: "kernel: Linux" in lab.told,
}


@pytest.fixture
def image(scratch: Path) -> Path:
    """Of a machine that boots, and does not come up."""
    kernel = json.dumps({"console": LINUX, "status": None, "ends": False}).ljust(64)
    files = {"kernel8.img": kernel, "initramfs8": "", "config.txt": "", "cmdline.txt": "\n"}
    return partitioned(scratch, {**files, "appliance.yaml": CONFIG})


@contextmanager
def started(image: Path, scratch: Path, name: str = places.DEFAULT) -> Iterator[Terminal]:
    """`appliance lab IMAGE` in a terminal, while the block runs."""
    shown = scratch / f"shown-{name}"
    with shown.open("ab") as file:
        child = _started(["run", str(image), "--name", name], file)
    try:
        yield Terminal(child, scratch, name, shown)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait(LONGEST_S)


def _started(words: Sequence[str], file: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*PROGRAM, *words], cwd=SOURCES, stdout=file, stderr=file, start_new_session=True)


def asked(*words: str) -> subprocess.CompletedProcess[str]:
    """`appliance lab VERB` in another terminal."""
    return subprocess.run([*PROGRAM, *words], cwd=SOURCES, capture_output=True, text=True, check=False)


def at_work(scratch: Path) -> list[str]:
    """The command lines of all processes that have to do with this lab's files."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(process.read_text().replace("\0", " "))
    return [words for words in found if str(scratch / "tmp") in words]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_at_whatever_moment_leaves_nothing(
    moment: str, number: signal.Signals, image: Path, scratch: Path
) -> None:
    with started(image, scratch) as lab:
        lab.reaches(moment)
        assert lab.end(number) == 0
        assert lab.told.splitlines()[-1] == NOTHING_LEFT
    assert not left(scratch)
    assert not at_work(scratch)


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_one_leaves_the_next_one_removes(moment: str, image: Path, scratch: Path) -> None:
    """Of whatever name; no process is left at all."""
    with started(image, scratch, "one") as lab:
        lab.reaches(moment)
        os.kill(lab.child.pid, signal.SIGKILL)
        lab.child.wait(LONGEST_S)
        until(lambda: not at_work(scratch), "all of its processes have ended", timeout_s=LONGEST_S)
    place = (lab.folder / places.FILES).readlink() if (lab.folder / places.FILES).is_symlink() else None
    with started(image, scratch, "two") as lab:
        lab.reaches("power")
        assert not (scratch / "run/appliance-lab/one").exists()
        if place is not None:
            assert f"removed what the lab called one, which was killed, had left in {place}\n" in lab.told
            assert not place.exists()
        assert lab.end(signal.SIGINT) == 0
    assert not left(scratch)


def test_while_one_starts_nobody_else_takes_its_name(image: Path, scratch: Path) -> None:
    with started(image, scratch) as lab:
        lab.reaches("claimed")
        again = asked("run", str(image))
        assert (again.returncode, again.stderr.splitlines()[0]) == (2, "error: a lab called lab is running")
        lab.reaches("kernel")
        assert "it boots: kernel: Linux" in asked("status").stderr


def test_two_at_once(image: Path, scratch: Path) -> None:
    """Each is asked by its name, and one ends without the other."""
    with started(image, scratch, "one") as one, started(image, scratch, "two") as two:
        one.reaches("kernel")
        two.reaches("kernel")
        assert asked("status").stderr.splitlines()[0] == "error: several labs are running: one, two"
        assert asked("fault", "proto41", "--name", "one").returncode == 0
        assert "broken: proto41" in one.told
        assert "broken" not in two.told
        assert asked("end", "--name", "one").returncode == 0
        assert one.child.wait(LONGEST_S) == 0
        assert "it boots" in asked("status").stderr
        assert two.end(signal.SIGINT) == 0
    assert not left(scratch)
