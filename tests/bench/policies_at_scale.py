"""Routing policies for many interfaces, rules and tables."""

from __future__ import annotations

import time
from statistics import median

from appliance.model import Appliance
from appliance.parse import load
from firstboot.host import Host
from firstboot.kinds import KINDS
from firstboot.netlink import Netlink
from firstboot.reconcile import Reconciler, State
from firstboot.sources import EVERYTHING, Source
from tests.bench.shown import figure, heading
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import give_files_of_its_own
from tests.netns.namespace import Namespace

SIZES = (10, 100, 500, 2000)
TABLES_MAX = 250
INTERFACES_PER_RULE = 5
ROUNDS = 9


def measure() -> None:
    """A line a size."""
    heading("policies at scale: interfaces eni*, a fifth as many rules and tables")
    for size in SIZES:
        with Namespace() as namespace:
            give_files_of_its_own(namespace)
            _lay_out(namespace, size)
            figure(f"{size} interfaces", namespace.call(_measure, load(EXAMPLES / "policies.yaml").appliance))


def _lay_out(namespace: Namespace, size: int) -> None:
    """Pairs of wires; each fifth interface has a network, a router in main, and a table that a rule looks up."""
    lines = [f"link add eni{number} type veth peer name eni{number + 1}" for number in range(0, size, 2)]
    lines += [f"link set eni{number} up" for number in range(size)]
    for number in range(0, min(size, TABLES_MAX * INTERFACES_PER_RULE), INTERFACES_PER_RULE):
        table, network = 2 + number // INTERFACES_PER_RULE, f"10.{number // 250}.{number % 250}"
        lines += [
            f"addr add {network}.9/24 dev eni{number}",
            f"route add default via {network}.1 dev eni{number} metric {1000 + number}",
            f"route add {network}.0/24 dev eni{number} table {table}",
            f"rule add from {network}.9 table {table}",
        ]
    namespace.program("ip", "-batch", "-", stdin="\n".join(lines))


def _measure(appliance: Appliance) -> str:
    netlink = Netlink()
    host, reconciler = Host(netlink, bus=None), Reconciler(KINDS)
    began = time.perf_counter()
    _pass(reconciler, appliance, host, EVERYTHING)
    first_ms = _since_ms(began)
    unchanged_ms = median(_timed_ms(reconciler, appliance, host, EVERYTHING) for _ in range(ROUNDS))
    new = [_new_interface_ms(reconciler, appliance, host, netlink, number) for number in range(ROUNDS)]
    netlink.close()
    return f"first {first_ms:7.1f} ms   nothing changed {unchanged_ms:6.1f} ms   a new one {median(new):6.1f} ms"


def _new_interface_ms(reconciler: Reconciler, appliance: Appliance, host: Host, netlink: Netlink, number: int) -> float:
    """From its being there to the end of the pass in which it was right."""
    netlink.add_bridge(name=f"enix{number}", mac=f"02:00:00:00:00:{number:02x}")
    return _timed_ms(reconciler, appliance, host, Source.LINKS)


def _timed_ms(reconciler: Reconciler, appliance: Appliance, host: Host, changed: Source) -> float:
    began = time.perf_counter()
    _pass(reconciler, appliance, host, changed)
    return _since_ms(began)


def _pass(reconciler: Reconciler, appliance: Appliance, host: Host, changed: Source) -> None:
    wrong = [each for each in reconciler.reconcile(appliance, host, changed) if each.state is not State.OK]
    assert not wrong, wrong


def _since_ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
