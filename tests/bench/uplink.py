"""Another address of the uplink: how soon a host on the LAN has IPv6 again, and where the time goes.

The Pi has the public address itself, so that the broker has to be told. A tunnel interface of the kernel's own is made
anew in the booted image only (`tests/vm/test_tunnel_broker.py` has that figure).
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from pathlib import Path
from select import select
from unittest.mock import patch

from appliance.model import Broker
from firstboot.broker import client
from firstboot.broker.answers import Answer
from firstboot.echo import Echoes
from image.lab.broker import HOST, WINDOW_S, Desk, serving
from image.lab.certificates import authority, certificate
from image.lab.register import Register
from image.lab.waiting import until
from tests.bench.shown import figure, heading, judged
from tests.netns.brokers import ACCOUNT, AT, MINUTE_S, TRUSTED, hasty
from tests.netns.gadget_site import within
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.served_lan import LAN, has_way_out, lan_daemon
from tests.netns.tunnel_site import OWN, PUBLIC, ROUTED, SERVER, TunnelSite, tunnel_site

CHANGES, LIMIT_S, OFFERED_S, LOST_S = 20, 3.0, 60.0, 60.0
POOL, ROUTER = "192.0.2.0/24", "192.0.2.1"
BEYOND = IPv6Address("2001:db8:ffff::80")
PACE_S = 0.01

CONFIG = f"""
profile: gateway
hostname: ipv6gw
ssh: {{authorized_keys: []}}
uplink: {{interface: eth0, dns: [1.1.1.1]}}
tunnel:
  server: {SERVER}
  address: "{OWN}/64"
  routed: "{ROUTED}"
  broker: {{user: {ACCOUNT.user}, key: {ACCOUNT.key}, tunnel: {ACCOUNT.tunnel}}}
lan: {{interface: lan0, address: {LAN}/24, dhcp4: {{range: 192.168.2.100-192.168.2.200}}}}
"""


class HeededDesk(Desk):
    """What it takes, the tunnel's server knows."""

    register: Register

    def update(self, authorization: str, query: str, peer: IPv4Address) -> str:
        answer = super().update(authorization, query, peer)
        if self.endpoint is not None:
            self.register.enter(self.endpoint)
        return answer


@dataclass
class Told:
    """Calls of the broker: when each began and ended (monotonic clock)."""

    calls: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, broker: Broker, local: IPv4Address) -> Answer:
        began = time.monotonic()
        answer = _ask(broker, local)
        self.calls.append((began, time.monotonic()))
        return answer


_ask = client.ask


class Host(threading.Thread):
    """A host on the LAN that asks one beyond the tunnel all the time. `heard`: when what was asked, and answered."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(daemon=True)
        self._echoes = namespace.call(Echoes, "eth0", 7)
        self._ended = threading.Event()
        self._asked: list[float] = []
        self.heard: list[tuple[float, float]] = []

    def run(self) -> None:
        for number in count():
            if self._ended.is_set():
                break
            self._asked.append(time.monotonic())
            with suppress(OSError):  # it has no way out
                self._echoes.ask(BEYOND, number)
            next_at = self._asked[-1] + PACE_S
            while (left_s := next_at - time.monotonic()) > 0 and select([self._echoes.socket], [], [], left_s)[0]:
                if (heard := self._echoes.hear()) is not None:
                    self.heard.append((self._asked[heard[1]], time.monotonic()))
            self._ended.wait(max(0.0, next_at - time.monotonic()))

    def reached_s(self, since: float) -> float:
        """When the first of what was asked since then was answered; TimeoutError."""
        return until(
            lambda: next((heard for asked, heard in self.heard if asked >= since), None),
            "the LAN has IPv6 again",
            timeout_s=LOST_S,
            every_s=PACE_S,
        )

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self._echoes.close()


@dataclass(frozen=True)
class Change:
    """How long it took from one to the next, in seconds: the lease, the call, the address taken, the LAN."""

    noticed_s: float
    answered_s: float
    carried_s: float

    @property
    def own_s(self) -> float:
        """Without the broker's answer."""
        return self.noticed_s + self.carried_s


def measure(folder: Path) -> None:
    """A whole provider, the living daemon, real router advertisements, a host on the LAN."""
    heading(f"uplink: {CHANGES} new addresses, each from the lease until a host on the LAN has IPv6 again")
    told = Told()
    with hasty(), patch.object(client, "ask", told.ask), _site(folder) as (site, desk, living):
        within(OFFERED_S, lambda: has_way_out(site.client))
        before = len([kind for _, kind in living.daemon.repairs if kind == "withdrawal"])
        asking = Host(site.client)
        asking.start()
        asking.reached_s(time.monotonic())
        changes = [_changed(site, desk, told, asking, f"192.0.2.{number}") for number in range(10, 10 + CHANGES)]
        asking.stop()
        withdrawn = len([kind for _, kind in living.daemon.repairs if kind == "withdrawal"]) - before
    own_s = [change.own_s for change in changes]
    judged(
        "an address → IPv6 on the LAN, without the answer",
        f"median {statistics.median(own_s):.2f} s, longest {max(own_s):.2f} s",
        f"≤ {LIMIT_S:g} s",
        reached=max(own_s) <= LIMIT_S,
    )
    for what, times in (
        ("  the lease → the broker is called", [change.noticed_s for change in changes]),
        ("  the broker's own answer", [change.answered_s for change in changes]),
        ("  it has the address → an answer on the LAN", [change.carried_s for change in changes]),
    ):
        figure(what, f"median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
    figure("  the LAN was told that there is no IPv6", f"{withdrawn} times")


def _changed(site: TunnelSite, desk: Desk, told: Told, asking: Host, address: str) -> Change:
    """One change; then what is told sooner would have to wait is waited for."""
    calls, began = len(told.calls), time.monotonic()
    _lease(site, address)
    until(lambda: str(desk.endpoint) == address, f"the broker has {address}", timeout_s=LOST_S, every_s=0.002)
    taken = time.monotonic()
    reached = asking.reached_s(began)
    until(lambda: len(told.calls) > calls, "the call has ended", timeout_s=LOST_S)
    called = told.calls[calls][0]
    time.sleep(1.5 * MINUTE_S)
    return Change(called - began, taken - called, reached - taken)


def _lease(site: TunnelSite, address: str) -> None:
    """As a DHCP client does it."""
    site.pi.program("ip", "-4", "addr", "flush", "dev", "eth0")
    site.pi.program("ip", "addr", "add", f"{address}/24", "dev", "eth0")
    site.pi.program("ip", "route", "replace", "default", "via", ROUTER, "dev", "eth0", "metric", "100")


@contextmanager
def _site(folder: Path) -> Iterator[tuple[TunnelSite, Desk, Living]]:
    """The Pi has a public address, and the broker is where the provider is."""
    with tunnel_site() as site, lan_daemon(site, folder, CONFIG) as living, ExitStack() as stack:
        site.home.program("nft", "delete", "table", "ip", "nat")
        site.home.program("ip", "addr", "add", f"{ROUTER}/24", "dev", "eth0")
        site.isp.program("ip", "route", "add", POOL, "via", str(PUBLIC))
        site.isp.program("ip", "addr", "add", f"{AT}/32", "dev", "lo")
        trusted = authority(folder)
        desk = HeededDesk(
            ACCOUNT.user, ACCOUNT.key, ACCOUNT.tunnel, clock=lambda: time.monotonic() * WINDOW_S / MINUTE_S
        )
        desk.register = site.register
        broker = serving(desk, certificate(trusted, HOST), AT)
        site.isp.call(broker.__enter__)
        stack.callback(broker.__exit__, None, None, None)
        site.pi.program("sh", "-c", f"echo {AT} {HOST} > /etc/hosts; cat {trusted} > {TRUSTED}")
        _lease(site, "192.0.2.9")
        with living:
            yield site, desk, living
