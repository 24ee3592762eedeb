"""Whether hosts are there is known soon, and nothing else is listened to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from firstboot import neighbours
from firstboot.neighbours import INTERVAL_S, TIMEOUT_S, TRIES, Neighbours
from firstboot.sharing import NOBODY, Question
from tests.netns.gadget_site import within
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns
OWN, HOST, STRANGER = IPv4Address("192.168.7.1"), IPv4Address("192.168.7.9"), IPv4Address("10.42.0.1")
QUESTION = Question("eth0", OWN, (HOST,))
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

    def answer(self, address: IPv4Address) -> bool | None:
        return self.known.answers.get(("eth0", address))


@pytest.fixture
def link() -> Iterator[Link]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as near, Namespace() as far:
        near.connect("eth0", far, "eth0")
        near.program("ip", "addr", "add", f"{OWN}/24", "dev", "eth0")
        far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
        made = Link(near, far)
        yield made
        made.ask()


def test_a_host_comes_and_goes(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.far.program("ip", "addr", "del", f"{HOST}/24", "dev", "eth0")
    within(GONE_S, lambda: link.answer(HOST) is False)
    link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
    within(INTERVAL_S + 0.5, lambda: link.answer(HOST) is True)
    assert len(link.changes) == 3, "only another answer is told"


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


def test_an_interface_goes_and_comes(link: Link) -> None:
    link.ask(QUESTION)
    within(1, lambda: link.answer(HOST) is True)
    link.near.program("ip", "link", "del", "eth0")
    within(GONE_S, lambda: link.answer(HOST) is False)
    link.near.connect("eth0", link.far, "eth0")
    link.far.program("ip", "addr", "add", f"{HOST}/24", "dev", "eth0")
    within(INTERVAL_S + 1.0, lambda: link.answer(HOST) is True)


def test_other_hosts_questions_are_not_heard(link: Link) -> None:
    """A busy network must not wake the Pi."""
    with closing(link.near.call(neighbours._socket, "eth0")) as sock:
        link.far.program("ip", "neigh", "flush", "all")
        with pytest.raises(AssertionError):
            link.far.program("ping", "-c", "2", "-i", "0.2", "-W", "1", "192.168.7.77")
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            link.near.call(sock.recv, 64)
        assert link.near.call(neighbours.asked, sock, QUESTION, {}), "and answers are"
