"""What is wrong with a real tunnel is found, whatever breaks; and that it broke, within its time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.well_known import BEYOND
from firstboot.health.asking import asked
from firstboot.health.diagnosis import Fault, Health
from firstboot.health.hysteresis import STEADY_S
from firstboot.health.prober import INTERVAL_S, Prober
from firstboot.health.question import Question
from firstboot.health.record import BEYOND_EVERY
from firstboot.health.server import HOPS
from tests.netns.tunnel_site import (
    FAR_END,
    ISP,
    QUESTION,
    ROUTER,
    SERVER,
    SHARED,
    SHARED_ISP,
    TunnelSite,
    tunnel_site,
)

pytestmark = pytest.mark.netns
KNOWN_S, DEAD_S, SIZED_S, LIMITED_S = 8.0, 8.0, 60.0, 60.0
LARGEST = 1380
STRANGER = IPv4Address("203.0.113.99")


class Watched:
    """A prober in the Pi's namespace, and all that it found."""

    def __init__(self, site: TunnelSite, remembered: Path, question: Question = QUESTION) -> None:
        self._site, self._question = site, question
        self.found: list[tuple[float, Health]] = []
        self._news = threading.Condition()
        self.prober = Prober(self._note, remembered)

    def __enter__(self) -> Watched:
        self._site.pi.call(self.prober.ask, self._question)
        return self

    def __exit__(self, *_: object) -> None:
        self._site.pi.call(self.prober.ask, None)

    def _note(self) -> None:
        with self._news:
            self.found.append((time.monotonic(), self.prober.health))
            self._news.notify()

    def until(self, holds: Callable[[Health], bool], longest_s: float) -> float:
        """Wait until what is known is so; how long that took."""
        began = time.monotonic()
        with self._news:
            assert self._news.wait_for(lambda: holds(self.prober.health), longest_s), self.prober.health
        return time.monotonic() - began

    def finds(self, fault: Fault, longest_s: float = KNOWN_S) -> str:
        """Wait until that is the diagnosis; its sentence."""
        self.until(lambda health: health.diagnosis.fault is fault, longest_s)
        return self.prober.health.diagnosis.sentence


@pytest.fixture(scope="module")
def site() -> Iterator[TunnelSite]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with tunnel_site() as made:
        yield made


@pytest.fixture
def remembered(tmp_path: Path) -> Path:
    return tmp_path / "carries"


@contextmanager
def dead_router(site: TunnelSite) -> Iterator[None]:
    """It has power, and does nothing any more."""
    hook = "type filter hook ingress device eth0 priority 0; policy drop;"
    site.home.program("nft", f"add table netdev dead; add chain netdev dead in {{ {hook} }}")
    yield
    site.home.program("nft", "delete table netdev dead")


@contextmanager
def refusing_router(site: TunnelSite) -> Iterator[None]:
    """It says that it may not pass on protocol 41. (nftables' `reject` says nothing of a protocol without ports.)"""
    rule = ("iif", "eth0", "ipproto", "41", "prohibit")
    site.home.program("ip", "rule", "add", *rule)
    yield
    site.home.program("ip", "rule", "del", *rule)


@contextmanager
def dead_server(site: TunnelSite) -> Iterator[None]:
    site.isp.program("ip", "route", "replace", "blackhole", str(SERVER))
    yield
    site.isp.program("ip", "route", "replace", str(SERVER), "via", "203.0.113.6")


@contextmanager
def shared_nat(site: TunnelSite) -> Iterator[None]:
    """The provider gives the router a shared address, and passes on no protocol 41."""
    with ExitStack() as stack:
        for namespace, address, device in ((site.home, SHARED, "wan"), (site.isp, SHARED_ISP, "to-home")):
            namespace.program("ip", "addr", "add", f"{address}/10", "dev", device)
            stack.callback(namespace.program, "ip", "addr", "del", f"{address}/10", "dev", device)
        site.home.program("ip", "route", "replace", "default", "via", SHARED_ISP, "src", SHARED)
        stack.callback(site.home.program, "ip", "route", "replace", "default", "via", str(ISP))
        chain = "add chain ip shared out { type nat hook postrouting priority srcnat; }"
        site.isp.program("nft", f'add table ip shared; {chain}; add rule ip shared out oifname "to-broker" masquerade')
        stack.callback(site.isp.program, "nft", "delete table ip shared")
        stack.enter_context(site.rules(site.isp, "ip", "forward", "ip protocol 41 drop"))
        yield


FAULTS: dict[str, tuple[Callable[[TunnelSite], AbstractContextManager[None]], Fault, str]] = {
    "the router is dead": (dead_router, Fault.NO_UPLINK, "router does not answer"),
    "the server is dead": (dead_server, Fault.SERVER_UNREACHABLE, "does not answer over IPv4"),
    "the router drops protocol 41": (
        lambda site: site.rules(site.home, "ip", "forward", "ip protocol 41 drop"),
        Fault.PROTOCOL_41,
        f"no further than {ROUTER}",
    ),
    "the provider drops it": (
        lambda site: site.rules(site.isp, "ip", "prerouting", 'iifname "to-home" ip protocol 41 drop'),
        Fault.PROTOCOL_41,
        f"no further than {ROUTER}",
    ),
    "it is lost between the last router and the server": (
        lambda site: site.rules(site.broker, "ip", "prerouting", "ip protocol 41 drop"),
        Fault.STALE_ENDPOINT,
        "does not answer them",
    ),
    "the router refuses it": (
        refusing_router,
        Fault.PROTOCOL_41,
        f"{ROUTER} refuses",
    ),
    "the provider uses carrier-grade NAT": (shared_nat, Fault.SHARED_NAT, "carrier-grade NAT"),
    "the broker has another address": (
        lambda site: site.registered(STRANGER),
        Fault.STALE_ENDPOINT,
        "another address for this tunnel",
    ),
    "the broker has no such tunnel": (lambda site: site.registered(None), Fault.STALE_ENDPOINT, "has deleted it"),
    "nothing beyond": (
        lambda site: site.rules(site.broker, "ip6", "forward", "drop"),
        Fault.BEYOND,
        "nothing on the IPv6 Internet",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_found(site: TunnelSite, remembered: Path, name: str) -> None:
    broken, fault, said = FAULTS[name]
    with broken(site), Watched(site, remembered) as watched:
        assert said in watched.finds(fault)
        assert not watched.prober.health.carries
    with Watched(site, remembered) as watched:
        watched.finds(Fault.HEALTHY)
        assert watched.prober.health.carries


def test_without_a_lease_nothing_can_be_asked(site: TunnelSite, remembered: Path) -> None:
    question = Question(**{**vars(QUESTION), "local": None, "router": None, "has_route": False, "interface": "none"})
    with Watched(site, remembered, question) as watched:
        assert "no IPv4 address" in watched.finds(Fault.NO_UPLINK)


def test_a_relay_that_nobody_can_ask_for_is_known_by_what_is_beyond(site: TunnelSite, remembered: Path) -> None:
    question = replace(QUESTION, far_end=None, is_providers=True)
    with Watched(site, remembered, question) as watched:
        watched.finds(Fault.HEALTHY)
        with site.rules(site.home, "ip", "forward", "ip protocol 41 drop"):
            assert "the provider's 6rd relay, 198.51.100.100" in watched.finds(Fault.SERVER_UNREACHABLE)


def test_no_more_is_asked_of_one_that_nobody_can_ask_for(site: TunnelSite) -> None:
    question = replace(QUESTION, far_end=None)
    found = site.pi.call(asked, question, BEYOND, size=1480, trace=True)
    assert (found.beyond, found.far_end, found.server, found.size) == (True, False, None, None)
    assert found.trace.protocol41


def test_dies_and_is_healthy_again(site: TunnelSite, remembered: Path) -> None:
    with Watched(site, remembered) as watched:
        watched.until(lambda health: health.carries, KNOWN_S)
        assert remembered.exists()
        with site.rules(site.home, "ip", "forward", "ip protocol 41 drop"):
            assert watched.until(lambda health: not health.carries, DEAD_S) <= DEAD_S
            assert not remembered.exists()
        watched.finds(Fault.RECOVERING, INTERVAL_S + 1)
        assert watched.until(lambda health: health.carries, STEADY_S + 2 * INTERVAL_S) >= STEADY_S - INTERVAL_S
        assert watched.prober.health.diagnosis.fault is Fault.HEALTHY
        changes = [health.carries for _, health in watched.found]
    assert [now for before, now in zip([False, *changes], changes, strict=False) if now != before] == [
        True,
        False,
        True,
    ]


def test_a_moment_of_silence_changes_nothing(site: TunnelSite, remembered: Path) -> None:
    with Watched(site, remembered) as watched:
        watched.finds(Fault.HEALTHY)
        with site.rules(site.home, "ip", "forward", "ip protocol 41 drop"):
            time.sleep(3.0)  # a moment is a time, and nothing shows when it is over
        time.sleep(INTERVAL_S)
        assert [health.carries for _, health in watched.found] == [True]


def test_what_was_offered_stays_when_the_daemon_starts_again(site: TunnelSite, remembered: Path) -> None:
    remembered.touch()
    with Watched(site, remembered) as watched:
        assert watched.prober.health.carries
        watched.finds(Fault.HEALTHY)
        assert all(health.carries for _, health in watched.found)


def test_a_daemon_that_ends_leaves_what_it_knew(site: TunnelSite, remembered: Path) -> None:
    with Watched(site, remembered) as watched:
        watched.finds(Fault.HEALTHY)
        watched.prober.stop()
        found = list(watched.found)
    assert remembered.exists()
    assert watched.found == found


def test_a_black_hole_is_measured_to_the_byte(site: TunnelSite, remembered: Path) -> None:
    with (
        site.rules(site.isp, "ip", "forward", f"ip length > {LARGEST + 20} drop"),
        Watched(site, remembered) as watched,
    ):
        assert f"more than {LARGEST} bytes" in watched.finds(Fault.MTU, SIZED_S)
        assert watched.prober.health.carries
        assert watched.prober.health.largest == LARGEST


def test_a_narrow_way_that_says_so_is_no_black_hole(site: TunnelSite) -> None:
    """The kernel heeds it, and tells the hosts behind. Who is asked twice has forgotten nothing meanwhile."""
    site.isp.program("ip", "link", "set", "to-broker", "mtu", str(LARGEST + 20))
    try:
        rounds = [site.pi.call(partial(asked, QUESTION, BEYOND, size=QUESTION.full)) for _ in range(2)]
    finally:
        site.isp.program("ip", "link", "set", "to-broker", "mtu", "1500")
        site.pi.program("ip", "route", "flush", "cache")
    assert [(found.far_end, found.size) for found in rounds] == [(True, True)] * 2


def counted(shown: str) -> int:
    return int(shown.partition("packets ")[2].split()[0])


def test_a_far_end_that_answers_every_other_echo_is_limited(site: TunnelSite, remembered: Path) -> None:
    limit = f"ip6 saddr {FAR_END} icmpv6 type echo-reply numgen inc mod 2 == 0 drop"
    with site.rules(site.broker, "ip6", "output", limit), Watched(site, remembered) as watched:
        watched.finds(Fault.RATE_LIMITED, LIMITED_S)
        assert all(health.carries for _, health in watched.found)


def test_how_much_is_asked(site: TunnelSite, remembered: Path) -> None:
    """Of a healthy tunnel: the far end in each round, somebody beyond in few, and now and then the far end a lot."""
    with Watched(site, remembered) as watched, ExitStack() as counting:
        watched.finds(Fault.HEALTHY)
        through = (site.isp, "ip", "forward", 'iifname "to-home" ip protocol 41 counter')
        beyond = (site.broker, "ip6", "forward", "icmpv6 type echo-request counter")
        for rule in (through, beyond):
            counting.enter_context(site.rules(*rule))
        time.sleep(3 * BEYOND_EVERY * INTERVAL_S)  # a rate is over a time
        asked, strangers = (
            counted(namespace.program("nft", "list", "table", family, "fault"))
            for namespace, family, *_ in (through, beyond)
        )
    assert 2 <= strangers <= 4
    assert 3 * BEYOND_EVERY - 1 <= asked - strangers <= 3 * BEYOND_EVERY + 2


def test_how_much_is_asked_of_a_dead_one(site: TunnelSite, remembered: Path) -> None:
    """Over IPv4, an echo in each round; and now and then those that end on the way."""
    counting = f"ip daddr {SERVER} icmp type echo-request counter"
    blocking = 'iifname "to-home" ip protocol 41 drop'
    with site.rules(site.isp, "ip", "prerouting", blocking), Watched(site, remembered) as watched:
        watched.finds(Fault.PROTOCOL_41)
        with site.rules(site.home, "ip", "forward", counting):
            time.sleep(6 * INTERVAL_S)  # a rate is over a time
            shown = site.home.program("nft", "list", "table", "ip", "fault")
    assert 5 <= counted(shown) <= 7 + len(HOPS)
