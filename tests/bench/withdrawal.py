"""A tunnel that dies: how soon a host on the LAN has no way out by it any more, and how soon again.

The whole daemon and dnsmasq's own router advertisements, in namespaces.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from firstboot.health.hysteresis import STEADY_S
from tests.bench.shown import figure, heading, judged
from tests.netns.gadget_site import within
from tests.netns.served_lan import CONFIG, has_way_out, lan_daemon
from tests.netns.tunnel_site import TunnelSite, tunnel_site

TIMES, LIMIT_S, LOST_S = 5, 10.0, 120.0


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    heading(f"tunnel: it carries nothing any more, {TIMES} times, and then again")
    with tunnel_site() as site, lan_daemon(site, folder, CONFIG) as living, living:
        rounds = [_round(site) for _ in range(TIMES)]
    withdrawn_s, offered_s = (sorted(column) for column in zip(*rounds, strict=True))
    judged(
        "the tunnel dies → taken back from the LAN",
        f"median {statistics.median(withdrawn_s):.2f} s, longest {withdrawn_s[-1]:.2f} s",
        f"≤ {LIMIT_S:g} s",
        reached=withdrawn_s[-1] <= LIMIT_S,
    )
    longest = f"median {statistics.median(offered_s):.1f} s, longest {offered_s[-1]:.1f} s"
    figure("it carries again → offered to the LAN", f"{longest}, of which {STEADY_S:g} s of health are wanted")


def _round(site: TunnelSite) -> tuple[float, float]:
    """How long it took until the LAN had no way out, and until it had one again, in seconds."""
    within(LOST_S, lambda: has_way_out(site.client))
    with site.rules(site.home, "ip", "forward", "ip protocol 41 drop"):
        withdrawn_s = within(LOST_S, lambda: not has_way_out(site.client))
    return withdrawn_s, within(LOST_S, lambda: has_way_out(site.client))
