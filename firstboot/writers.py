"""Who changes the kernel's network tables: the process behind the port that a netlink message tells (netlink(7)).

Which process holds a socket only root with CAP_SYS_PTRACE may see, and that is more than the daemon shall have. But the
kernel gives a process's first socket the process's number for its port, libnl gives further ones that number and a
count above its 22 bits, and what the kernel makes up otherwise is above all of these.
"""

from __future__ import annotations

import os
from pathlib import Path

NETLINK_ROUTE = 0
_MADE_UP = 1 << 31
_NUMBER_BITS = (1 << 22) - 1
_PROC = Path("/proc")


def named(port: int, proc: Path = _PROC) -> str:
    """A port's owner in a person's words; "" if nobody has it any more, it is not known who, or it is this process."""
    number = port & _NUMBER_BITS
    if port >= _MADE_UP or number == os.getpid() or not _is_open(port, proc):
        return ""
    process = proc / str(number)
    command, unit = _first_line(process / "comm"), _unit(process)
    return f"{command} (process {number}{f' of {unit}' if unit else ''})" if command else ""


def _is_open(port: int, proc: Path) -> bool:
    """Columns: sk, Eth (the protocol), Pid (the port), …"""
    lines = _text(proc / "thread-self/net/netlink").splitlines()
    return any(line.split()[1:3] == [str(NETLINK_ROUTE), str(port)] for line in lines)


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
