"""Whether hosts are there is known soon, and nothing else is listened to."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

import pytest

from firstboot.arp import Arp
from firstboot.facts import Gateway
from firstboot.ndp import Ndp
from firstboot.neighbours import INTERVAL_S, STEADY, TIMEOUT_S, TRIES, Neighbours, answering
from firstboot.sharing import NOBODY, Question
from tests.netns.gadget_site import within
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns
OWN, HOST, STRANGER = IPv4Address("192.168.7.1"), IPv4Address("192.168.7.9"), IPv4Address("10.42.0.1")
HOST6 = IPv6Address("fe80::9")
QUESTION = Question("eth0", OWN, (HOST,))
START_S = 10.0
"""Until the link-local addresses are known to be nobody else's, none of them asks."""
BACK_S = STEADY * INTERVAL_S + 1.0
GONE_S = INTERVAL_S + TRIES * TIMEOUT_S + 0.5


@dataclass
class Link:
    near: Namespace
    far: Namespace
    changes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = Neighbours(on_change=lambda: self.changes.append(0.0))

    def ask(self, *questions: Question) -> None:
        self.near.call(self.known.ask, questions)

    def answer(self, address: Gateway) -> bool | None:
        return self.known.answers.get(("eth0", address))


@pytest.fixture
def link() -> Iterator[Link]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as near, Namespace() as far:
        near.connect("eth0", far, "eth0")
        near.program("ip", "addr", "add", f"{OWN}/24", "dev", "eth0")
        far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
        far.program("ip", "addr", "add", f"{HOST6}/64", "dev", "eth0", "nodad")
        made = Link(near, far)
        yield made
        made.ask()


def test_a_host_comes_and_goes(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.far.program("ip", "addr", "del", f"{HOST}/24", "dev", "eth0")
    within(GONE_S, lambda: link.answer(HOST) is False)
    link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
    within(BACK_S, lambda: link.answer(HOST) is True)
    assert len(link.changes) == 3, "only another answer is told"


def test_who_comes_and_goes_is_not_here(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.far.program("ip", "addr", "del", f"{HOST}/24", "dev", "eth0")
    within(GONE_S, lambda: link.answer(HOST) is False)
    for _ in range(2):
        link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
        time.sleep(INTERVAL_S)
        link.far.program("ip", "addr", "del", f"{HOST}/24", "dev", "eth0")
        time.sleep(INTERVAL_S + TIMEOUT_S)
    assert link.answer(HOST) is False and len(link.changes) == 2


def test_a_host_on_another_network_answers_nobody(link: Link) -> None:
    """That is whom a laptop that shares its Internet is asked as."""
    link.far.program("ip", "addr", "add", f"{STRANGER}/24", "dev", "eth0")
    link.ask(Question("eth0", NOBODY, (STRANGER, HOST, IPv4Address("192.168.2.1"))))
    within(2, lambda: link.answer(IPv4Address("192.168.2.1")) is False)
    assert (link.answer(STRANGER), link.answer(HOST)) == (True, True)
    assert "0.0.0.0" not in link.far.program("ip", "neigh")


def test_what_is_not_asked_any_more_is_not_known_any_more(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.ask()
    assert link.known.answers == {}
    within(GONE_S, lambda: not any(thread.name == "neighbours of eth0" for thread in threading.enumerate()))


def test_who_was_gone_is_asked_three_times_also_by_who_asks_anew(link: Link) -> None:
    """Nobody is asked while the adapter is away from the laptop, which it is when a way out is withdrawn."""
    link.far.program("ip", "addr", "del", f"{HOST}/24", "dev", "eth0")
    link.ask(QUESTION)
    within(GONE_S, lambda: link.answer(HOST) is False)
    link.ask()
    link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is False)
    time.sleep(INTERVAL_S)
    assert link.answer(HOST) is False
    within(BACK_S, lambda: link.answer(HOST) is True)


def test_an_interface_goes_and_comes(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.near.program("ip", "link", "del", "eth0")
    within(GONE_S, lambda: link.answer(HOST) is False)
    link.near.connect("eth0", link.far, "eth0")
    link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
    within(BACK_S, lambda: link.answer(HOST) is True)


def test_both_families_of_a_host_that_dies_are_told_at_once(link: Link) -> None:
    link.ask(Question("eth0", OWN, (HOST, HOST6)))
    within(START_S, lambda: (link.answer(HOST), link.answer(HOST6)) == (True, True))
    link.changes.clear()
    hook = "type filter hook ingress device eth0 priority 0; policy drop;"
    link.far.program("nft", f"add table netdev dead; add chain netdev dead in {{ {hook} }}")
    within(GONE_S, lambda: (link.answer(HOST), link.answer(HOST6)) == (False, False))
    assert len(link.changes) == 1
    link.far.program("nft", "delete table netdev dead")
    within(BACK_S, lambda: (link.answer(HOST), link.answer(HOST6)) == (True, True))


def test_another_hardware_address_of_ones_own_is_no_loss(link: Link) -> None:
    link.ask(Question("eth0", OWN, (HOST, HOST6)))
    within(START_S, lambda: link.answer(HOST) is True and link.answer(HOST6) is True)
    told = len(link.changes)
    link.near.program("ip", "link", "set", "eth0", "address", "02:00:00:00:be:ef")
    time.sleep(2 * INTERVAL_S + TRIES * TIMEOUT_S)
    assert link.answer(HOST) is True and link.answer(HOST6) is True and len(link.changes) == told


def test_a_family_without_an_address_is_not_the_others_fault(link: Link) -> None:
    link.ask(Question("eth0", OWN, (HOST, HOST6)))
    within(START_S, lambda: link.answer(HOST6) is True)
    link.near.program("sysctl", "-q", "net.ipv6.conf.eth0.disable_ipv6=1")
    within(GONE_S, lambda: link.answer(HOST6) is False)
    assert link.answer(HOST) is True


def test_other_hosts_questions_are_not_heard(link: Link) -> None:
    """A busy network must not wake the Pi."""
    arp, ndp = link.near.call(Arp, "eth0", OWN, [HOST]), link.near.call(Ndp, "eth0", [HOST6])
    with closing(arp.socket), closing(ndp.socket):
        link.far.program("ip", "neigh", "flush", "all")
        for nobody in ("192.168.7.77", "fe80::77%eth0"):
            with pytest.raises(AssertionError):
                link.far.program("ping", "-c", "2", "-i", "0.2", "-W", "1", nobody)
        for line in (arp, ndp):
            line.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                link.near.call(line.socket.recv, 64)
        assert link.near.call(answering, [arp, ndp], 2) == {HOST, HOST6}, "and answers are"
