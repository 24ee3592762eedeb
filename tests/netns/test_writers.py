"""Who took something out of the kernel's tables, from what the kernel tells with each change."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

import pytest

from firstboot.events import NetworkEvents, network_events
from firstboot.facts import OURS, Route, address_key, route_key
from firstboot.netlink import Netlink
from firstboot.sources import NOTHING, Source
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

ROUTE = "10.7.0.0/16 dev lo metric 97 table 7 proto 97"
KEY = route_key(IPv4Network("10.7.0.0/16"), 97, 7)
ADDRESS_KEY = address_key(IPv4Interface("192.0.2.1/32"), "lo")


class Writer:
    """`ip -batch -`, which stays there as long as its input is open."""

    def __init__(self, namespace: Namespace, events: NetworkEvents) -> None:
        self._namespace, self._events = namespace, events
        self.process: subprocess.Popen[str] = namespace.call(namespace.begin, "ip", "-batch", "-")

    def does(self, what: str) -> None:
        """And the kernel has told of it."""
        assert self.process.stdin is not None
        self._namespace.call(self._events.drain)
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + 5
        while not self._namespace.call(self._events.drain):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def named(self) -> str:
        return f"ip (process {self.process.pid}"


@pytest.fixture
def events(namespace: Namespace) -> Iterator[NetworkEvents]:
    made = namespace.call(network_events)
    yield made
    made.close()


@pytest.fixture
def writers(namespace: Namespace, events: NetworkEvents) -> Iterator[tuple[Writer, Writer]]:
    made = Writer(namespace, events), Writer(namespace, events)
    yield made
    for each in made:
        each.process.communicate()


def told(namespace: Namespace, events: NetworkEvents, table: Source, key: str, since_s: float = 0.0) -> str:
    return namespace.call(events.removals.writer, table, key, since_s)


def test_who_removed_a_thing_is_named_and_not_who_changed_others(
    namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]
) -> None:
    guilty, innocent = writers
    innocent.does(f"route add {ROUTE}")
    innocent.does("route add 10.7.0.0/16 dev lo metric 98 table 7 proto 97")
    guilty.does(f"route del {ROUTE}")
    innocent.does("route del 10.7.0.0/16 dev lo metric 98 table 7 proto 97")
    innocent.does("route replace 10.8.0.0/16 dev lo table 7")
    assert told(namespace, events, Source.ROUTES, KEY).startswith(guilty.named)


def test_who_replaced_it_is_named_too(
    namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]
) -> None:
    guilty, innocent = writers
    innocent.does(f"route add {ROUTE}")
    guilty.does("route replace prohibit 10.7.0.0/16 metric 97 table 7")
    assert told(namespace, events, Source.ROUTES, KEY).startswith(guilty.named)


def test_who_removed_an_address_is_named(
    namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]
) -> None:
    guilty, innocent = writers
    innocent.does("addr add 192.0.2.1/32 dev lo")
    guilty.does("addr del 192.0.2.1/32 dev lo")
    innocent.does("addr add 192.0.2.2/32 dev lo")
    assert told(namespace, events, Source.ADDRESSES, ADDRESS_KEY).startswith(guilty.named)
    assert told(namespace, events, NOTHING, ADDRESS_KEY) == ""


def test_what_was_before_it_was_right_again_does_not_count(
    namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]
) -> None:
    innocent, _ = writers
    innocent.does(f"route add {ROUTE}")
    innocent.does(f"route del {ROUTE}")
    right_at_s = time.monotonic()
    assert told(namespace, events, Source.ROUTES, KEY, right_at_s) == ""
    assert told(namespace, events, Source.ROUTES, KEY, right_at_s - 5).startswith(innocent.named)


def test_one_that_had_ended_is_not_named_nor_anybody_else(
    namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]
) -> None:
    innocent, _ = writers
    for writer in (innocent.does, lambda what: namespace.program("ip", *what.split())):
        innocent.does(f"route add {ROUTE}")
        writer(f"route del {ROUTE}")
    assert namespace.call(events.drain)
    assert told(namespace, events, Source.ROUTES, KEY) == ""


def test_it_is_never_ourselves(namespace: Namespace, events: NetworkEvents, writers: tuple[Writer, Writer]) -> None:
    """Where somebody else replaced a route of ours and we replaced that, it was the other one."""
    guilty, _ = writers
    netlink = namespace.call(Netlink)
    events.removals.ignore(netlink.port)
    route = Route(IPv4Network("10.7.0.0/16"), "lo", None, 97, 7, OURS)
    namespace.call(lambda: netlink.set_route(route, replaces=False))
    guilty.does("route replace prohibit 10.7.0.0/16 metric 97 table 7")
    namespace.call(lambda: netlink.set_route(route, replaces=True))
    assert namespace.call(events.drain)
    assert told(namespace, events, Source.ROUTES, KEY).startswith(guilty.named)
    namespace.call(netlink.close)
