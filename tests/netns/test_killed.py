"""Killed at any moment, in the middle of a change too: the next daemon ends where it shall."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import pytest

from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import give_files_of_its_own
from tests.netns.namespace import Namespace
from tests.netns.policies import FOREIGN, Site
from tests.netns.told import NEW_ROUTE, Told

pytestmark = pytest.mark.netns

KILLS = 15
TABLES = range(10, 60)
TAKEN = 25
LATEST_KILL_S = 0.25
"""After what it looks after has been taken away."""
AT_ANY_MOMENT = 0.125
AMID = 0.5
"""So many of the kills have to fall into a change, or the test is not what it is called."""


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
    """What status.json says."""
    return str(json.loads(site.namespace.program("cat", "/run/appliance/status.json"))["state"])


@dataclass
class Kills:
    """How many of `all` fell into a change: some routes were back, and others not. `said`: by status.json, thereafter.

    It is what the dead daemon said last, so nobody may take it for what is: `appliance status` asks systemd first.
    """

    all: int = 0
    before_it: int = 0
    amid_it: int = 0
    said: Counter[str] = field(default_factory=Counter)

    @property
    def after_it(self) -> int:
        """Those at which nothing was left to do."""
        return self.all - self.before_it - self.amid_it


def kill_and_see(site: Site, folder: Path, kills: int, chance: random.Random) -> Kills:
    """Take everything away, kill the daemon in the middle of putting it back, and let the next one make it right."""
    found = Kills()
    told = site.namespace.call(Told)
    for _ in range(kills):
        daemon = begin(site, folder)
        passed(daemon)
        taken = chance.sample(list(TABLES), TAKEN)
        told.forget()
        site.ip("\n".join(f"route del default table {table}" for table in taken))
        _await_the_moment(told, chance)
        daemon.kill()
        daemon.wait()
        _note(found, len(lacking(site)), state(site))

        successor = begin(site, folder)
        passed(successor)
        assert (lacking(site), state(site)) == ([], "ready")
        successor.kill()
        successor.wait()
    told.close()
    return found


def _await_the_moment(told: Told, chance: random.Random) -> None:
    """When the kernel tells that so many are back; now and then any other moment, a pass's beginning and end too."""
    if chance.random() < AT_ANY_MOMENT:
        time.sleep(chance.random() * LATEST_KILL_S)
        return
    back = chance.randrange(1, TAKEN)
    told.await_words(lambda words: sum(word.what == NEW_ROUTE for word in words) >= back, LATEST_KILL_S)


def _note(found: Kills, away: int, said: str) -> None:
    found.all += 1
    found.before_it += away == TAKEN
    found.amid_it += 0 < away < TAKEN
    found.said[f"{said}, and {'something' if away else 'nothing'} is away"] += 1


def prepare(site: Site, folder: Path) -> None:
    """Rules and link routes of the tables, and other programs' things."""
    (folder / "appliance.yaml").write_bytes((EXAMPLES / "policies.yaml").read_bytes())
    site.ip(FOREIGN)
    site.ip("\n".join(f"rule add from 10.8.0.{table} table {table}" for table in TABLES))
    site.ip("\n".join(f"route add 10.0.1.0/24 dev eni1 table {table}" for table in TABLES))


def test_killed_in_the_middle_of_a_change(site: Site, tmp_path: Path) -> None:
    prepare(site, tmp_path)
    before = site.state()
    found = kill_and_see(site, tmp_path, KILLS, random.Random(97))
    assert site.state() == before
    assert found.amid_it >= AMID * KILLS, found
