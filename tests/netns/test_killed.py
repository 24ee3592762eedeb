"""Killed at any moment, in the middle of a change too: the next daemon ends where it shall."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import give_files_of_its_own
from tests.netns.namespace import Namespace
from tests.netns.policies import FOREIGN, Site

pytestmark = pytest.mark.netns

KILLS = 15
TABLES = range(10, 60)
LATEST_KILL_S = 0.25
"""After the daemon's first pass has begun or what it looks after has been taken away."""


@pytest.fixture
def site(namespace: Namespace) -> Iterator[Site]:
    made = Site(namespace)
    give_files_of_its_own(namespace)
    yield made
    made.close()


def begin(site: Site, folder: Path) -> Popen[str]:
    return site.namespace.call(site.namespace.begin, sys.executable, "-m", "tests.netns.alone", str(folder))


def passed(daemon: Popen[str]) -> None:
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "passed\n"


def lacking(site: Site) -> list[int]:
    """The tables that have no default route of ours, or not the right one."""
    lines = site.namespace.program("ip", "route", "show", "table", "all", "proto", "97").splitlines()
    right = {f"default via 10.0.1.1 dev eni1 table {table} metric 97 " for table in TABLES}
    assert set(lines) <= right, sorted(set(lines) - right)
    return [table for table in TABLES if f"default via 10.0.1.1 dev eni1 table {table} metric 97 " not in lines]


def state(site: Site) -> str:
    """What the daemon says of itself."""
    return str(json.loads(site.namespace.program("cat", "/run/appliance/status.json"))["state"])


def kill_and_see(site: Site, folder: Path, kills: int, chance: random.Random) -> None:
    """Take everything away, kill the daemon at a random moment, and let the next one make it right."""
    for _ in range(kills):
        daemon = begin(site, folder)
        passed(daemon)
        taken = chance.sample(list(TABLES), 25)
        site.ip("\n".join(f"route del default table {table}" for table in taken))
        time.sleep(chance.random() * LATEST_KILL_S)
        daemon.kill()
        daemon.wait()

        successor = begin(site, folder)
        passed(successor)
        assert (lacking(site), state(site)) == ([], "ready")
        successor.kill()
        successor.wait()


def prepare(site: Site, folder: Path) -> None:
    """Rules and link routes of the tables, and other programs' things."""
    (folder / "appliance.yaml").write_bytes((EXAMPLES / "policies.yaml").read_bytes())
    site.ip(FOREIGN)
    site.ip("\n".join(f"rule add from 10.8.0.{table} table {table}" for table in TABLES))
    site.ip("\n".join(f"route add 10.0.1.0/24 dev eni1 table {table}" for table in TABLES))


def test_killed_in_the_middle_of_a_change(site: Site, tmp_path: Path) -> None:
    prepare(site, tmp_path)
    before = site.state()
    kill_and_see(site, tmp_path, KILLS, random.Random(97))
    assert site.state() == before
