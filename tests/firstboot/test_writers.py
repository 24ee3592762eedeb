"""A port's owner, from what /proc tells everybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firstboot.writers import named

LINES = """\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   700        00000000 0        0        0     2        0        20001
0000000000000000 0   8389308    00000000 0        0        0     2        0        20002
0000000000000000 0   4294963199 00000000 0        0        0     2        0        20003
0000000000000000 15  900        00000000 0        0        0     2        0        20004
0000000000000000 0   {own}      00000000 0        0        0     2        0        20005
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "thread-self/net").mkdir(parents=True)
    (tmp_path / "thread-self/net/netlink").write_text(LINES.format(own=os.getpid()))
    for number, command, cgroup in (
        (700, "NetworkManager", "0::/system.slice/NetworkManager.service\n"),
        (900, "udevd", "0::/\n"),
        (os.getpid(), "python3", "0::/\n"),
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{command}\n")
        (tmp_path / str(number) / "cgroup").write_text(cgroup)
    return tmp_path


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (700, "NetworkManager (process 700 of NetworkManager.service)"),
        ((2 << 22) + 700, "NetworkManager (process 700 of NetworkManager.service)"),
        (4294963199, ""),  # made up by the kernel
        (900, ""),  # of another protocol
        (701, ""),  # closed
        pytest.param(os.getpid(), "", id="ourselves"),
    ],
)
def test_a_port_is_named(proc: Path, port: int, name: str) -> None:
    assert named(port, proc) == name
