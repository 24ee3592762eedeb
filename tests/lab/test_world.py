"""A world needs no privileges, and nothing of it is left behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from image.lab.waiting import until
from image.lab.world import SOURCES, world

pytestmark = pytest.mark.netns
NOBODY = 65534
MARK = "86399.25"
PROGRAM = f"""
import signal, sys
from pathlib import Path
from image.lab.world import world
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background has it ignored
with world(Path(sys.argv[1])) as made:
    made.add_namespace("one")
    with made.running("one", ["sleep", "{MARK}"], log="sleep"):
        print("ready", flush=True)
        sys.stdin.read()
"""


def sleepers() -> list[str]:
    """The processes that the program above starts, wherever they are."""
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if MARK.encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def started(folder: Path, *before: str) -> subprocess.Popen[str]:
    argv = [*before, sys.executable, "-B", "-c", PROGRAM, str(folder)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SOURCES)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_leaves_nothing(tmp_path: Path, number: int) -> None:
    mounts = Path("/proc/mounts").read_text()
    child = started(tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert sleepers()
    os.kill(child.pid, number)
    child.wait()
    until(lambda: not sleepers(), "nothing is left running", timeout_s=5)
    assert Path("/proc/mounts").read_text() == mounts
    assert not Path("/run/netns/one").exists()


def test_program_ends_with_its_block(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.add_namespace("one")
        with made.running("one", ["sleep", MARK], log="sleep"):
            until(sleepers, "it runs", timeout_s=5)
        assert not sleepers()


def test_what_is_typed_at_our_terminal_is_not_for_what_runs_inside(tmp_path: Path) -> None:
    """Ctrl-C goes to all processes of our session: it is we who take down the rest, in order."""
    with world(tmp_path) as made:
        made.add_namespace("one")
        with made.running("one", ["sleep", MARK], log="sleep"):
            until(sleepers, "it runs", timeout_s=5)
            assert os.getsid(0) not in {os.getsid(pid) for pid in (made.pid, *map(int, sleepers()))}


def test_a_program_may_be_told_something_first(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.add_namespace("one")
        with made.running("one", ["cat"], log="cat", stdin="told\n") as child:
            child.wait(5)
        assert made.log("cat").read_text() == "told\n"


FORBIDDEN = """
import sys
from pathlib import Path
from appliance.errors import InputError
from image.lab.world import world
Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    with world(Path(sys.argv[1])):
        print("a world")
except InputError as error:
    print(error)
"""


def test_no_namespaces(tmp_path: Path) -> None:
    """Where the machine's administrator allows none: here, that of a namespace around us."""
    argv = ["unshare", "--user", "--map-root-user", sys.executable, "-B", "-c", FORBIDDEN, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=SOURCES, check=False)
    assert done.stdout.startswith("no namespaces for this user: unshare: "), done.stderr
    assert "hint: sudo sysctl" in done.stdout


@pytest.mark.parametrize(("mode", "printed"), [("666", "93.184.216.34"), ("600", "hint: sudo chmod 0666 /dev/net/tun")])
def test_ordinary_user(mode: str, printed: str) -> None:
    """As `nobody`, with the TUN device as udev leaves it on Debian, and as a bare container has it."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as logs:
        os.chown(logs, NOBODY, NOBODY)
        argv = ["unshare", "--mount", sys.executable, "-B", "-m", "tests.lab.as_a_user", logs, mode, str(NOBODY)]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=SOURCES, check=False)
    assert printed in done.stdout, done.stderr
