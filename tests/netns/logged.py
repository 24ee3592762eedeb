"""How many lines the firewall has written to the log: what the rules that log have counted, which come after the limit.

Of a network namespace the kernel writes none (net.netfilter.nf_log_all_netns), but counts them all the same.
"""

from __future__ import annotations

import re
from collections import Counter

from tests.netns.crossing import Crossing

_LINE = re.compile(r"\[(?P<packets>[0-9]+):[0-9]+\] -A (?P<chain>\S+) .*-j LOG\b")


def lines(site: Crossing, family: int) -> Counter[str]:
    """By chain, those since its rules were loaded."""
    saved = site.router.program({4: "iptables-save", 6: "ip6tables-save"}[family], "--counters")
    found = (match for line in saved.splitlines() if (match := _LINE.match(line)) is not None)
    return Counter({match["chain"]: int(match["packets"]) for match in found})
