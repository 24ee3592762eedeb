"""The reconciler: how soon what somebody took away is back, how it grows, what a storm costs, and kills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from unittest.mock import patch

from firstboot import contests
from firstboot.facts import Address, Route
from firstboot.netlink import Netlink
from firstboot.rendered import dnsmasq
from tests.bench import drift_booted, peers, policies_at_scale, storm
from tests.bench.shown import figure, heading, judged
from tests.firstboot.conftest import EXAMPLES
from tests.netns import test_killed
from tests.netns.gateways import NOT_HERE, lay_wires
from tests.netns.living import Living, give_files_of_its_own
from tests.netns.namespace import Namespace
from tests.netns.network import network
from tests.netns.policies import Site
from tests.netns.unruly import Unruly

DELETIONS, KILLS = 1000, 200
P50_MS, P99_MS = 20.0, 100.0
LOST_S = 5.0
LONGEST_GAP_S = 0.15
"""Something happens while the daemon rests, too."""

Taking = Callable[[], object]


def measure(folder: Path) -> None:
    """All of it."""
    for name, part in PARTS.items():
        part(_made(folder / name))


def kinds(folder: Path) -> None:
    """Each kind by itself."""
    # A thousand deletions of one thing are a contest, which is not what is measured.
    patch.object(contests.Limits, "pace_s", return_value=None).start()
    heading(f"drift: {DELETIONS} deletions of each kind, from the deletion until it is seen to be right")
    _policies(_made(folder / "policies"))
    _gateway(_made(folder / "gateway"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _policies(folder: Path) -> None:
    with Namespace() as namespace:
        site = Site(namespace)
        site.ip("rule add from 10.0.1.9 table 7\nroute add 10.0.1.0/24 dev eni1 table 7")
        with Living(namespace, folder, (EXAMPLES / "policies.yaml").read_text()) as living:
            ours = Route(IPv4Network("0.0.0.0/0"), "eni1", IPv4Address("10.0.1.1"), 97, 7)
            netlink = namespace.call(Netlink)
            _repeat(living, "route-tables", lambda: netlink.remove_route(ours))
            _repeat(living, "policy-sysctls", lambda: _set("net/ipv4/conf/eni1/rp_filter", "0"))
        site.close()


def _gateway(folder: Path) -> None:
    with Namespace() as namespace:
        lay_wires(namespace)
        config = (EXAMPLES / "gateway.yaml").read_text()
        with Living(namespace, folder, config, without=NOT_HERE) as living:
            living.rested(quiet_s=2.0)  # IPv6 addresses are tentative for a second
            wrong = {name: each for name, each in living.daemon.outcomes.items() if each.error}
            assert not wrong, wrong
            netlink = namespace.call(Netlink)
            found = network(namespace, netlink)
            (default,) = (r for r in found.routes if r.metric == 97 and not r.destination.prefixlen)
            address = next(each for each in found.addresses if each.interface == "eth0")
            _repeat(living, "routes", lambda: netlink.remove_route(default))
            _repeat(living, "addresses", lambda: netlink.remove_address(Address(address.interface, address.address)))
            _repeat(living, "links", lambda: netlink.set_link_down("eth0"))
            _repeat(living, "sysctls", lambda: _set("net/ipv6/conf/all/forwarding", "0"))
            _repeat(living, "files", dnsmasq.CONFIG.unlink)
            unruly = namespace.call(Unruly)
            for version in (4, 6):
                for name, take in unruly.ways(version).items():
                    _repeat(living, "firewall", take, f"firewall: {name}, IPv{version}")
            unruly.close()


def _repeat(living: Living, kind: str, take: Taking, name: str = "") -> None:
    """Take a thing of a kind away again and again, and print how long it was away."""
    chance, took, lost = random.Random(97), list[float](), 0
    living.rested()
    for _ in range(DELETIONS):
        time.sleep(chance.random() * LONGEST_GAP_S)
        began = living.namespace.call(_timed, take)
        repaired = _repaired(living, kind, began)
        if repaired is None:
            lost += 1
        else:
            took.append((repaired - began) * 1000)
    took.sort()
    middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
    judged(
        name or kind,
        f"p50 {middle:6.1f} ms   p99 {late:6.1f} ms   longest {took[-1]:6.1f} ms   lost {lost}",
        f"p50 ≤ {P50_MS:g} ms, p99 ≤ {P99_MS:g} ms, none lost",
        reached=middle <= P50_MS and late <= P99_MS and not lost,
    )


def _timed(take: Taking) -> float:
    began = time.monotonic()
    take()
    return began


def _repaired(living: Living, kind: str, since: float) -> float | None:
    deadline = since + LOST_S
    while time.monotonic() < deadline:
        for when, which in reversed(living.daemon.repairs):
            if when < since:
                break
            if which == kind:
                return when
        time.sleep(0.001)
    return None


def _set(setting: str, value: str) -> None:
    Path("/proc/sys", setting).write_text(value, encoding="ascii")


def kills(folder: Path) -> None:
    """The daemon as a process of its own, killed in mid-change; the next one has to make it right."""
    with Namespace() as namespace:
        site = Site(namespace)
        give_files_of_its_own(namespace)
        test_killed.prepare(site, folder)
        before, began = site.state(), time.monotonic()
        found = test_killed.kill_and_see(site, folder, KILLS, random.Random())
        heading(f"kills: SIGKILL {KILLS} times while {test_killed.TAKEN} deleted routes are put back")
        figure("in mid-change: some were back, and not all", f"{found.amid_it} of {KILLS}")
        figure("before it, after it", f"{found.before_it}, {found.after_it}")
        for what, times in found.said.most_common():
            figure("then status.json says", f"{what}: {times} times")
        judged(
            "right and 'ready' after the next daemon's first pass",
            f"{found.all} of {KILLS}; what is foreign is {'the same' if site.state() == before else 'ANOTHER'}",
            "always, and never a half state reported as good",
            reached=found.all == KILLS and site.state() == before,
        )
        figure("took", f"{time.monotonic() - began:.0f} s")
        site.close()


PARTS: Mapping[str, Callable[[Path], None]] = {
    "drift-kinds": kinds,
    "scale": policies_at_scale.measure,
    "storm": storm.measure,
    "kills": kills,
    "drift-booted": drift_booted.measure,
    "peers": peers.measure,
}
"""Each can be asked for by itself, too."""
