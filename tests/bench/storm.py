"""A storm of another program's routes: what it costs the daemon, and whether it misses anything."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.bench.shown import figure, heading
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import give_files_of_its_own
from tests.netns.namespace import Namespace
from tests.netns.policies import Site

CHANGES = 50_000
SETTLE_S = 3.0
BACK_S = 5.0


def measure(folder: Path) -> None:
    """Half of the changes add routes, the other half take them away."""
    heading(f"route storm: {CHANGES} changes of foreign routes")
    (folder / "appliance.yaml").write_bytes((EXAMPLES / "policies.yaml").read_bytes())
    with Namespace() as namespace:
        site = Site(namespace)
        give_files_of_its_own(namespace)
        site.ip("rule add from 10.0.1.9 table 7\nroute add 10.0.1.0/24 dev eni1 table 7")
        daemon = namespace.call(namespace.begin, sys.executable, "-m", "tests.netns.alone", str(folder))
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "passed\n"
        time.sleep(SETTLE_S)
        rss, cpu, began = _rss_kib(daemon.pid), _cpu_s(daemon.pid), time.monotonic()
        destinations = [f"172.{16 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in range(CHANGES // 2)]
        for word in ("add", "del"):
            site.ip("\n".join(f"route {word} {destination}/32 dev eni2" for destination in destinations))
        took = time.monotonic() - began
        site.ip("route del default table 7")
        back_ms = _back_ms(site)
        time.sleep(SETTLE_S)
        figure("the storm took", f"{took:.1f} s")
        figure("CPU of the daemon meanwhile and afterwards", f"{_cpu_s(daemon.pid) - cpu:.2f} s")
        figure("RSS growth", f"{(_rss_kib(daemon.pid) - rss) / 1024:.1f} MiB")
        figure("a route of ours, deleted right after it, is back", f"after {back_ms:.0f} ms")
        daemon.kill()
        daemon.wait()
        site.close()


def _back_ms(site: Site) -> float:
    began = time.monotonic()
    while not any("proto 97" in line for line in site.routes(7)):
        assert time.monotonic() < began + BACK_S, "it does not come back"
    return (time.monotonic() - began) * 1000


def _rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _cpu_s(pid: int) -> float:
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
