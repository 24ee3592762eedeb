"""What the daemon takes of the machine while nothing happens."""

from __future__ import annotations

import time

from image.lab.guest import Guest
from tests.bench.shown import figure, heading
from tests.vm import on_the_pi

SETTLE_S, IDLE_S = 60, 60


def measure(guest: Guest) -> None:
    """Its memory, and its share of a processor."""
    heading("daemon")
    figure("RSS", f"{on_the_pi.daemon_rss_mib(guest):.1f} MiB")
    idle(guest)


def idle(guest: Guest, circumstances: str = "") -> None:
    """Its share of a processor, once what has just changed is over."""
    time.sleep(SETTLE_S)
    pid = on_the_pi.daemon_pid(guest)
    ticks_before = _cpu_ticks(guest, pid)
    time.sleep(IDLE_S)
    share = (_cpu_ticks(guest, pid) - ticks_before) / IDLE_S
    figure(f"CPU while idle for {IDLE_S} s{circumstances}", f"{share:.2f} %")


def _cpu_ticks(guest: Guest, pid: str) -> int:
    """User and system time in ticks of 10 ms (proc(5), stat fields 14 and 15)."""
    fields = guest.run("cat", f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
