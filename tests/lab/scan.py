"""What nmap finds at an address: it runs wherever the one who asks has it run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

SCANS = {"tcp": "-sS", "udp": "-sU"}
SILENT = {"tcp": "filtered", "udp": "open|filtered"}
"""The state of ports that nothing comes back from."""
STATE = r"(open\|filtered|filtered|open|closed)"


def scan(
    run: Callable[..., str], address: str, ports: str, *options: str, protocol: str = "tcp"
) -> tuple[dict[int, str], str]:
    """The ports that are not as most of them, with their states, and the state of most."""
    words = [*(["-6"] if ":" in address else []), "-Pn", "-n", SCANS[protocol], "-p", ports, "--max-retries", "1"]
    told = run("nmap", *words, *options, "-oG", "-", address)
    listed = {int(port): state for port, state in re.findall(rf"(\d+)/{STATE}/{protocol}/", told)}
    most = re.findall(rf"Ignored State: {STATE} |All \d+ scanned ports .* {STATE}", told)
    state = "".join(most[0]) if most else Counter(listed.values()).most_common(1)[0][0]
    return {port: each for port, each in listed.items() if each != state}, state
