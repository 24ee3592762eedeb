"""A storm of another program's routes: what it costs the daemon, and whether it misses anything."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

from tests.bench.shown import figure, heading, judged
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import give_files_of_its_own
from tests.netns.namespace import Namespace
from tests.netns.policies import Site
from tests.netns.told import GONE_ROUTE, NEW_ROUTE, Told

CHANGES = 50_000
IN_MAIN, IN_OTHERS, REPLACED = 15_000, 7_000, 6_000
"""Routes that come and go, of main (the kernel drops what it tells of them) and of other tables; and that are replaced
in main, of which nobody tells what was there before. The latter two wake the daemon."""
OTHERS = range(300, 304)
OURS = range(7, 12)
"""Tables whose default routes are the daemon's. Each is taken away once, so that it is no quarrel."""
SETTLE_S = 3.0
BACK_S = 5.0
RSS_MIB, PROCESSOR = 5.0, 0.5
"""There is no figure for the processor in the table; half of one is what the daemon promises (`daemon.REST`)."""


def measure(folder: Path) -> None:
    """It goes on while ours are taken away, one after the other."""
    heading(f"route storm: {CHANGES} changes of foreign routes, and amid them {len(OURS)} of ours are deleted")
    (folder / "appliance.yaml").write_bytes((EXAMPLES / "policies.yaml").read_bytes())
    with Namespace() as namespace:
        site = Site(namespace)
        give_files_of_its_own(namespace)
        for table in OURS:
            site.ip(f"rule add from 10.0.1.9 table {table}\nroute add 10.0.1.0/24 dev eni1 table {table}")
        daemon = namespace.call(namespace.begin, sys.executable, "-m", "tests.netns.alone", str(folder))
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "passed\n"
        _through_the_storm(site, daemon)
        daemon.kill()
        daemon.wait()
        site.close()


def _through_the_storm(site: Site, daemon: Popen[str]) -> None:
    time.sleep(SETTLE_S)
    told, lines = site.namespace.call(Told), list(_storm(random.Random(97)))
    assert len(lines) == CHANGES + len(OURS)
    rss, cpu, began = _rss_kib(daemon.pid), _cpu_s(daemon.pid), time.monotonic()
    _forget_peak(daemon.pid)
    site.ip("\n".join(lines))
    took, used = time.monotonic() - began, _cpu_s(daemon.pid) - cpu
    told.await_words(lambda words: {word.about for word in words if word.what == NEW_ROUTE} >= set(OURS), BACK_S)
    words = told.words
    told.close()
    time.sleep(SETTLE_S)
    gone = {word.about: word.at for word in words if word.what == GONE_ROUTE}
    back = {word.about: word.at for word in words if word.what == NEW_ROUTE}
    assert set(gone) == set(OURS)
    back_ms = sorted((back[table] - gone[table]) * 1000 for table in back)
    missed = [table for table in OURS if not any("proto 97" in line for line in site.routes(table))]
    during = sum(began <= at < began + took for at in back.values())

    figure("the storm took", f"{took:.1f} s; load of this machine {Path('/proc/loadavg').read_text().split()[0]}")
    value = f"{used:.2f} s, {100 * used / took:.0f} % of one"
    judged("processor meanwhile", value, f"bounded: ≤ {100 * PROCESSOR:.0f} %", reached=used <= PROCESSOR * took)
    figure("processor, with the seconds after it", f"{_cpu_s(daemon.pid) - cpu:.2f} s")
    for what, field in (("RSS growth, after it", "VmRSS"), ("RSS growth, at its highest", "VmHWM")):
        grown = (_status_kib(daemon.pid, field) - rss) / 1024
        judged(what, f"{grown:.1f} MiB", f"≤ {RSS_MIB:g} MiB", reached=grown <= RSS_MIB)
    value = f"{len(OURS) - len(missed)} of {len(OURS)} are back, {during} of them during the storm"
    judged("of ours", value, "nothing missed", reached=not missed)
    figure("each away for", f"{', '.join(f'{each:.0f}' for each in back_ms)} ms")
    site.ip(f"route del default table {OURS[0]}")
    figure("a route of ours, deleted after the storm, is back", f"after {_back_ms(site):.0f} ms")


def _storm(chance: random.Random) -> Iterator[str]:
    """Each route's changes keep their order; whose turn it is, is chance."""
    main = [f"172.{16 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32 dev eni2" for n in range(IN_MAIN)]
    others = [f"172.20.{n >> 8 & 255}.{n & 255}/32 dev eni2 table {OTHERS[n % len(OTHERS)]}" for n in range(IN_OTHERS)]
    replacements = [f"route replace {main[n].replace('eni2', 'eni1')}" for n in range(REPLACED)]
    coming = [[f"route add {each}" for each in main], [f"route add {each}" for each in others]]
    going = [[f"route del {each.partition(' dev')[0]}" for each in main], [f"route del {each}" for each in others]]
    # What is replaced has come by then, and goes only afterwards.
    lines = [*_shuffled(coming, chance), *replacements, *_shuffled(going, chance)]
    for number, line in enumerate(lines):
        if number and number % (len(lines) // (len(OURS) + 1)) == 0:
            which = number // (len(lines) // (len(OURS) + 1)) - 1
            if which < len(OURS):
                yield f"route del default table {OURS[which]}"
        yield line


def _shuffled(queues: list[list[str]], chance: random.Random) -> Iterator[str]:
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    waiting = [iter(queue) for queue in queues]
    for number in turns:
        yield next(waiting[number])


def _back_ms(site: Site) -> float:
    began = time.monotonic()
    while not any("proto 97" in line for line in site.routes(OURS[0])):
        assert time.monotonic() < began + BACK_S, "it does not come back"
    return (time.monotonic() - began) * 1000


def _rss_kib(pid: int) -> int:
    return _status_kib(pid, "VmRSS")


def _status_kib(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _forget_peak(pid: int) -> None:
    """VmHWM counts from now (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _cpu_s(pid: int) -> float:
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
