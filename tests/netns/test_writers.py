"""Who changed the kernel's tables, from what the kernel tells with each change."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from firstboot.events import NetlinkEvents, network_events
from firstboot.netlink import Netlink
from firstboot.sources import Source
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns


@pytest.fixture
def events(namespace: Namespace) -> Iterator[NetlinkEvents]:
    made = namespace.call(network_events)
    yield made
    made.close()


def test_a_program_that_runs_is_named(namespace: Namespace, events: NetlinkEvents) -> None:
    """`ip -batch -` stays there as long as its input is open."""
    writer = namespace.call(namespace.begin, "ip", "-batch", "-")
    try:
        assert writer.stdin is not None
        writer.stdin.write("addr add 192.0.2.1/32 dev lo\n")
        writer.stdin.flush()
        deadline = time.monotonic() + 5
        while not events.drain():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        told = namespace.call(events.writer, Source.ADDRESSES)
        assert told.startswith(f"ip (process {writer.pid}")
    finally:
        writer.communicate()


def test_one_that_has_ended_is_not(namespace: Namespace, events: NetlinkEvents) -> None:
    namespace.program("ip", "addr", "add", "192.0.2.1/32", "dev", "lo")
    assert events.drain()
    assert namespace.call(events.writer, Source.ADDRESSES) == ""


def test_it_is_never_ourselves(namespace: Namespace, events: NetlinkEvents) -> None:
    netlink = namespace.call(Netlink)
    events.ignore(netlink.port())
    namespace.call(lambda: netlink.set_mac("lo", "02:00:00:00:00:07"))
    assert events.drain() & Source.LINKS
    assert namespace.call(events.writer, Source.LINKS) == ""
    namespace.call(netlink.close)
