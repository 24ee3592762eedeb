"""Who changes the kernel's network tables: the process behind the port that a netlink message tells (netlink(7))."""

from __future__ import annotations

import os
from pathlib import Path

NETLINK_ROUTE = 0
_PROC = Path("/proc")


def named(port: int, proc: Path = _PROC) -> str:
    """A port's owner in a person's words; "" if nobody has it any more, or it is this process."""
    inode = _inode(port, proc)
    process = _holder(inode, proc) if inode else None
    if process is None or process.name == str(os.getpid()):
        return ""
    unit = _unit(process)
    return f"{_first_line(process / 'comm')} (process {process.name}{f' of {unit}' if unit else ''})"


def _inode(port: int, proc: Path) -> str:
    """Of the socket of that port; columns: sk, Eth (the protocol), Pid (the port), …, the last one Inode."""
    for line in _text(proc / "thread-self/net/netlink").splitlines()[1:]:
        words = line.split()
        if words[1:3] == [str(NETLINK_ROUTE), str(port)]:
            return words[-1]
    return ""


def _holder(inode: str, proc: Path) -> Path | None:
    for process in proc.glob("[0-9]*"):
        try:
            if any(link.readlink().name == f"socket:[{inode}]" for link in (process / "fd").iterdir()):
                return process
        except OSError:
            continue  # it has just ended
    return None


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
