"""The daemon and ufw are never at the rules at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.errors import TemporaryError
from firstboot.daemon import LONGEST_RETRY_S
from firstboot.ufw_lock import PATIENCE_S, SOON_S, UfwLock

pytestmark = pytest.mark.programs

UFW = """
import sys
from ufw.util import create_lock
lock = create_lock(sys.argv[1])
print("taken", flush=True)
sys.stdin.read()
"""
"""As ufw itself takes it."""


@contextmanager
def ufw_at_work(path: Path) -> Iterator[None]:
    with subprocess.Popen(["/usr/bin/python3", "-c", UFW, path], stdin=-1, stdout=-1, text=True) as ufw:
        assert ufw.stdout is not None
        assert ufw.stdout.readline() == "taken\n"
        yield
        ufw.communicate()


def test_without_ufw_nothing_is_waited_for(tmp_path: Path) -> None:
    with UfwLock(tmp_path / "ufw.lock").taken():
        assert not (tmp_path / "ufw.lock").exists()


@dataclass
class Time:
    """It passes while somebody rests."""

    now_s: float = 0.0

    def clock(self) -> float:
        return self.now_s

    def rest(self, seconds: float) -> None:
        self.now_s += seconds


def test_while_ufw_is_at_work_nothing_is_exchanged(tmp_path: Path) -> None:
    path, time = tmp_path / "ufw.lock", Time()
    lock = UfwLock(path, time.clock, time.rest)
    with ufw_at_work(path), pytest.raises(TemporaryError), lock.taken():
        pass
    assert SOON_S <= time.now_s < SOON_S + 1
    with lock.taken():
        pass


def test_but_not_for_ever(tmp_path: Path) -> None:
    """Its user may have gone for lunch before the question."""
    path, time = tmp_path / "ufw.lock", Time()
    lock = UfwLock(path, time.clock, time.rest)
    with ufw_at_work(path):
        while time.now_s < PATIENCE_S - SOON_S:
            with pytest.raises(TemporaryError), lock.taken():
                pass
            time.now_s += LONGEST_RETRY_S
        with lock.taken():
            pass


def test_another_time_it_is_waited_for_as_well(tmp_path: Path) -> None:
    """Though the first wait was never ended by a load: somebody else had put all right."""
    path, time = tmp_path / "ufw.lock", Time()
    lock = UfwLock(path, time.clock, time.rest)
    for _ in range(2):
        with ufw_at_work(path), pytest.raises(TemporaryError), lock.taken():
            pass
        time.now_s += PATIENCE_S


def test_ufw_waits_for_an_exchange(tmp_path: Path) -> None:
    path = tmp_path / "ufw.lock"
    path.touch()
    other = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with UfwLock(path).taken():
        assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=False).returncode != 0
    subprocess.run([sys.executable, "-c", other], check=True)
