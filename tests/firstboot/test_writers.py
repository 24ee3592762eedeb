"""A port's owner, from what /proc tells everybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firstboot.writers import REMEMBERED_S, Writers

LINES = """\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   700        00000000 0        0        0     2        0        20001
0000000000000000 0   8389308    00000000 0        0        0     2        0        20002
0000000000000000 0   4294963199 00000000 0        0        0     2        0        20003
0000000000000000 15  900        00000000 0        0        0     2        0        20004
0000000000000000 0   {own}      00000000 0        0        0     2        0        20005
0000000000000000 0   7          00000000 0        0        0     2        0        20006
0000000000000000 0   800        00000000 0        0        0     2        0        20007
0000000000000000 0   850        00000000 0        0        0     2        0        20008
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "thread-self/net").mkdir(parents=True)
    (tmp_path / "thread-self/net/netlink").write_text(LINES.format(own=os.getpid()))
    for number, command, numbers_inside in (
        (700, "NetworkManager", ""),
        (900, "udevd", ""),
        (os.getpid(), "python3", ""),
        (7, "kworker", ""),
        (800, "innocent", ""),
        (5012, "contained", "\t800"),
        (5013, "contained", "\t850"),
    ):
        has(tmp_path, number, command, numbers_inside)
    (tmp_path / "7/cmdline").write_text("")
    return tmp_path


def has(proc: Path, number: int, command: str, numbers_inside: str = "") -> None:
    process = proc / str(number)
    process.mkdir(exist_ok=True)
    (process / "comm").write_text(f"{command}\n")
    (process / "cmdline").write_text(f"/usr/sbin/{command}\0")
    (process / "cgroup").write_text(f"0::/system.slice/{command}.service\n")
    (process / "status").write_text(f"Name:\t{command}\nNSpid:\t{number}{numbers_inside}\nNSpgid:\t1\n")


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (700, "NetworkManager (process 700 of NetworkManager.service)"),
        ((2 << 22) + 700, "NetworkManager (process 700 of NetworkManager.service)"),
        (4294963199, ""),  # made up by the kernel
        (900, ""),  # of another protocol
        (701, ""),  # closed
        (7, ""),  # one in a container, where it has the number that one of the kernel's has here
        (800, ""),  # this one, or one in a container
        (850, ""),  # only one in a container, and its number here is another
        pytest.param(os.getpid(), "", id="ourselves"),
    ],
)
def test_a_port_is_named(proc: Path, port: int, name: str) -> None:
    writers = Writers(proc)
    assert writers.named(writers.owner(port)) == name


def test_what_was_known_when_the_message_came_holds_for_a_moment(proc: Path) -> None:
    now = 100.0
    writers = Writers(proc, clock=lambda: now)
    owner = writers.owner(700)
    has(proc, 700, "innocent")
    now += REMEMBERED_S
    assert writers.owner(700) == owner
    assert writers.named(owner) == "NetworkManager (process 700 of NetworkManager.service)"
    now += 1
    assert writers.named(writers.owner(700)) == "innocent (process 700 of innocent.service)"
