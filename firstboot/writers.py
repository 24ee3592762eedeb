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
from dataclasses import dataclass
from pathlib import Path

NETLINK_ROUTE = 0
REMEMBERED_S = 10.0
"""No number is given to another process so soon: all others have their turn before."""

_MADE_UP = 1 << 31
_NUMBER_BITS = (1 << 22) - 1
_PROC = Path("/proc")


@dataclass(frozen=True)
class Writer:
    """A process: its number, and what it is in a person's words."""

    number: int
    told: str


class Writers:
    """Ports' owners."""

    def __init__(self, proc: Path = _PROC, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = proc, clock
        self._known: dict[int, tuple[float, Writer | None]] = {}

    def owner(self, port: int) -> Writer | None:
        """Who it seems to be. To be asked when a message comes: soon afterwards the port may be closed, or another's.

        None if nobody has it any more, it is not known who, or it is this process.
        """
        now_s = self._clock()
        known = self._known.get(port)
        if known is None or now_s - known[0] > REMEMBERED_S:
            self._known = {other: told for other, told in self._known.items() if now_s - told[0] <= REMEMBERED_S}
            known = self._known[port] = now_s, _owner(port, self._proc)
        return known[1]

    def named(self, writer: Writer | None) -> str:
        """The owner in a person's words; "" where it may be another one. It looks at every process that there is."""
        return writer.told if writer is not None and not _is_inside(writer.number, self._proc) else ""


def _owner(port: int, proc: Path) -> Writer | None:
    number = port & _NUMBER_BITS
    if port >= _MADE_UP or number == os.getpid() or not _is_open(port, proc):
        return None
    process = proc / str(number)
    command, unit = _first_line(process / "comm"), _unit(process)
    if not command or not _text(process / "cmdline"):
        return None  # without a command line it is one of the kernel's own
    return Writer(number, f"{command} (process {number}{f' of {unit}' if unit else ''})")


def _is_open(port: int, proc: Path) -> bool:
    """Columns: sk, Eth (the protocol), Pid (the port), …"""
    lines = _text(proc / "thread-self/net/netlink").splitlines()
    return any(line.split()[1:3] == [str(NETLINK_ROUTE), str(port)] for line in lines)


def _is_inside(number: int, proc: Path) -> bool:
    """Whether somebody in a container has this number there. NSpid: a process's number here, and further inside."""
    numbers = (_field(process / "status", "NSpid").split() for process in proc.glob("[0-9]*"))
    return any(found[1:] and found[-1] == str(number) for found in numbers)


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
