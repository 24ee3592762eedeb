"""Whose a netlink message is: the process behind the port that it tells (netlink(7)).

Which process holds a socket only root with CAP_SYS_PTRACE may see, and that is more than the daemon shall have. But the
kernel gives a process's first socket the process's number for its port, libnl gives further ones that number and a
count above its 22 bits, and what the kernel makes up otherwise is above all of these. It is the number that the process
has where it lives: in a container, others have it outside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

NETLINK_ROUTE = 0
REMEMBERED_S = 10.0
"""No number is given to another process so soon: all others have their turn before."""

_MADE_UP = 1 << 31
_NUMBER_BITS = (1 << 22) - 1
_PROC = Path("/proc")


class Writers:
    """Ports' owners. To be asked when a message comes: soon afterwards the port may be closed, or another's."""

    def __init__(self, proc: Path = _PROC, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = proc, clock
        self._known: dict[int, tuple[float, str]] = {}

    def named(self, port: int) -> str:
        """The owner in a person's words; "" where that is not certain."""
        now_s = self._clock()
        known = self._known.get(port)
        if known is None or now_s - known[0] > REMEMBERED_S:
            self._known = {other: told for other, told in self._known.items() if now_s - told[0] <= REMEMBERED_S}
            known = self._known[port] = now_s, named(port, self._proc)
        return known[1]


def named(port: int, proc: Path = _PROC) -> str:
    """A port's owner; "" if nobody has it any more, or there are two who may have it, or it is this process."""
    number = port & _NUMBER_BITS
    if port >= _MADE_UP or number == os.getpid() or not _is_open(port, proc):
        return ""
    process = proc / str(number)
    if not _text(process / "cmdline") or not _is_the_only_one(number, proc):
        return ""  # without a command line it is one of the kernel's own
    command, unit = _first_line(process / "comm"), _unit(process)
    return f"{command} (process {number}{f' of {unit}' if unit else ''})" if command else ""


def _is_open(port: int, proc: Path) -> bool:
    """Columns: sk, Eth (the protocol), Pid (the port), …"""
    lines = _text(proc / "thread-self/net/netlink").splitlines()
    return any(line.split()[1:3] == [str(NETLINK_ROUTE), str(port)] for line in lines)


def _is_the_only_one(number: int, proc: Path) -> bool:
    """Whether nobody has this number but whom we know by it. NSpid: a process's number here, and further inside."""
    numbers = (_field(process / "status", "NSpid").split() for process in proc.glob("[0-9]*"))
    return [found for found in numbers if found[-1:] == [str(number)]] == [[str(number)]]


def _field(status: Path, name: str) -> str:
    start = f"{name}:"
    return next((line.removeprefix(start) for line in _text(status).splitlines() if line.startswith(start)), "")


def _unit(process: Path) -> str:
    """The systemd unit of a process: the last part of its control group."""
    path = _first_line(process / "cgroup").rpartition(":")[2]
    name = path.rpartition("/")[2]
    return name if name.endswith((".service", ".scope")) else ""


def _first_line(path: Path) -> str:
    return next(iter(_text(path).splitlines()), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
