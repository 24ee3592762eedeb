"""policies.yaml in a network namespace: two interfaces as a cloud's agent leaves them."""

from __future__ import annotations

import time
from dataclasses import replace

from appliance.model import Appliance, Routing
from appliance.parse import load
from firstboot.host import Host
from firstboot.kinds import KINDS
from firstboot.netlink import Netlink
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.sources import EVERYTHING, Source
from tests.firstboot.conftest import EXAMPLES
from tests.netns.namespace import Namespace

LINKS_UP_S = 10.0
FOREIGN = """\
route add 10.66.0.0/16 via 10.0.1.7 dev eni1 proto static
route add 10.67.0.0/16 via 10.0.1.7 dev eni1 table 7
route add default via 10.0.2.7 dev eni2 table 9
route add default dev eni2 metric 4000 table 300
addr add 10.0.1.77/24 dev eni1
rule add from 10.0.9.0/24 table 300 priority 900
rule add from all fwmark 7 table 250 priority 901
link add br-foreign type bridge
"""


class Site:
    """A namespace, its host and a reconciler."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        # Addresses that the kernel makes up are tentative for a second, and look different afterwards.
        namespace.program("sysctl", "-q", "net.ipv6.conf.default.addr_gen_mode=1")
        for number in (1, 2):
            namespace.program("ip", "link", "add", f"eni{number}", "type", "veth", "peer", "name", f"far{number}")
            namespace.program("ip", "link", "set", f"far{number}", "up")
            namespace.program("ip", "link", "set", f"eni{number}", "up")
            self.ip(f"addr add 10.0.{number}.9/24 dev eni{number}")
            self.ip(f"route add default via 10.0.{number}.1 dev eni{number} metric {number}00")
        self._await_links()
        self.netlink = namespace.call(Netlink)
        self.appliance: Appliance = load(EXAMPLES / "policies.yaml").appliance
        self.begin_anew()

    def begin_anew(self) -> None:
        """As when the daemon is started again."""
        self.host = Host(self.netlink, bus=None)
        self.reconciler = Reconciler(KINDS)

    def use(self, routing: Routing) -> None:
        """Have other policies in force."""
        self.appliance = replace(self.appliance, routing=routing)
        self.look_after()

    def _await_links(self) -> None:
        """Wait for what the kernel does when a link is up; it gets to know with a delay of up to a second."""
        deadline = time.monotonic() + LINKS_UP_S
        while (
            len(
                self.namespace.program(
                    *["ip", "-6", "route", "show", "table", "local", "type", "multicast"]
                ).splitlines()
            )
            < 4
        ):
            assert time.monotonic() < deadline, self.namespace.program("ip", "link")
            time.sleep(0.05)

    def close(self) -> None:
        self.namespace.call(self.netlink.close)

    def ip(self, commands: str, *options: str) -> None:
        """Several commands, one a line."""
        self.namespace.program("ip", *options, "-batch", "-", stdin=commands + "\n")

    def look_after(self, changed: Source = EVERYTHING) -> dict[str, Outcome]:
        """One pass; whatever is not right is told."""
        outcomes = self.namespace.call(self.reconciler.reconcile, self.appliance, self.host, changed)
        assert [outcome for outcome in outcomes if outcome.state is not State.OK] == []
        return {outcome.kind: outcome for outcome in outcomes}

    def routes(self, table: int) -> list[str]:
        """The IPv4 routes of a table in the words of `ip`, which finds it wrong that there are none."""
        everything = self.namespace.program("ip", "route", "show", "table", "all").splitlines()
        named = f" table {table} "
        return [line.replace(named, " ") for line in everything if named in line]

    def state(self) -> list[str]:
        """All that there is, in the words of `ip`, without what is ours."""
        commands = ("-o addr", "route show table all", "-6 route show table all", "rule", "-6 rule", "-o link")
        lines = [line for words in commands for line in self.namespace.program("ip", *words.split()).splitlines()]
        return [line for line in lines if "proto 97" not in line]
