"""What the daemon takes of the machine while nothing happens."""

from __future__ import annotations

import time

from image.lab.guest import Guest
from tests.bench.shown import figure, heading
from tests.vm import on_the_pi

SETTLE_S, IDLE_S = 120, 60
"""On raspi0 a first boot still has things to do a minute after the daemon is ready."""


def measure(guest: Guest) -> None:
    """Its memory, and its share of a processor."""
    heading("daemon")
    figure("RSS", f"{on_the_pi.daemon_rss_mib(guest):.1f} MiB")
    idle(guest)


def idle(guest: Guest, circumstances: str = "") -> None:
    """Its share of a processor, once what has just changed is over."""
    time.sleep(SETTLE_S)
    pid = on_the_pi.daemon_pid(guest)
    before_ns = _cpu_ns(guest, pid)
    time.sleep(IDLE_S)
    share = (_cpu_ns(guest, pid) - before_ns) / (IDLE_S * 1e9) * 100
    figure(f"CPU while idle for {IDLE_S} s{circumstances}", f"{share:.3f} %")


def _cpu_ns(guest: Guest, pid: str) -> int:
    """What all of its threads ran (the kernel's Documentation/scheduler/sched-stats.rst); none of them ends."""
    lines = guest.run("sh", "-c", f"cat /proc/{pid}/task/*/schedstat").splitlines()
    return sum(int(line.split()[0]) for line in lines)
