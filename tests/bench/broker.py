"""The tunnel broker: how soon it is told of a new address, and how often in a week of many."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from appliance.parse import load
from tests.bench.shown import figure, heading, judged
from tests.firstboot.broker_week import a_week
from tests.firstboot.conftest import EXAMPLES
from tests.netns.brokers import MINUTE_S, Line, config, hasty, line
from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living

CHANGES, LIMIT_S = 40, 3.0
LOST_S = 30.0


def measure(folder: Path) -> None:
    """The living daemon, and a stand-in broker at the other end of a wire."""
    authority = folder / "authority"
    authority.mkdir()
    heading(f"broker: {CHANGES} new addresses of the uplink, each from the lease until the broker has it")
    with hasty(), line(authority) as net:
        living = Living(net.pi, folder, config(), without=NOT_HERE)
        give_ufw_files(net.pi)
        net.furnish()
        with living:
            living.rested(2.0)
            took_s = sorted(_told_after_s(net, f"203.0.113.{number}") for number in range(2, 2 + CHANGES))
    judged(
        "a new address → the broker told",
        f"median {statistics.median(took_s):.2f} s, longest {took_s[-1]:.2f} s",
        f"≤ {LIMIT_S:g} s beside the broker's own answer",
        reached=took_s[-1] <= LIMIT_S,
    )
    answers = net.desk.answers()
    figure("calls, `abuse` among them", f"{len(answers)} for {CHANGES} addresses, {answers.count('abuse')}")
    _weeks(folder)


def _weeks(folder: Path) -> None:
    heading("broker: a simulated week, addresses that come and go and power cuts among it")
    gateway = load(EXAMPLES / "gateway.yaml").appliance
    for nat, where in ((False, "with a public address"), (True, "behind NAT")):
        memory = folder / where.replace(" ", "-")
        memory.mkdir()
        figure(where, a_week(gateway, memory, nat=nat).told())


def _told_after_s(net: Line, address: str) -> float:
    """How long it took; then what is told sooner would have to wait is waited for."""
    began = time.monotonic()
    net.lease(address, "203.0.113.1")
    while str(net.desk.endpoint) != address:
        if time.monotonic() > began + LOST_S:
            raise TimeoutError(f"the broker was not told of {address}")
        time.sleep(0.002)
    took_s = time.monotonic() - began
    time.sleep(1.5 * MINUTE_S)
    return took_s
