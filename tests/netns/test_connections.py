"""Who is connected, and by which way the kernel answers them: two machines, two wires, and a connection to port 22."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from firstboot.connections import ssh_connections
from firstboot.facts import Gateway
from firstboot.host import Host
from firstboot.management import NextHop, lost, ways
from firstboot.netlink import Netlink
from firstboot.next_hops import next_hop
from firstboot.policy.decision import SSH_PORT
from tests.netns.living import soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

OWN, PEER = IPv4Address("10.0.1.9"), IPv4Address("198.51.100.7")
ROUTERS = {1: IPv4Address("10.0.1.1"), 2: IPv4Address("10.0.2.1")}
UPLINKS = """\
addr add 10.0.1.9/24 dev eni1
addr add 10.0.2.9/24 dev eni2
addr add fd00:1::9/64 dev eni1 nodad
route add default via 10.0.1.1 dev eni1 metric 100
route add default via 10.0.2.1 dev eni2 metric 200
"""
PEERS = """\
addr add 10.0.1.1/24 dev far1
addr add 198.51.100.7/32 dev lo
"""
SOON_S = 5.0


@pytest.fixture
def outside() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture
def here(namespace: Namespace, outside: Namespace) -> Namespace:
    """Two uplinks. At the end of one of them is the peer; at the end of the other one nobody answers."""
    for number in (1, 2):
        namespace.connect(f"eni{number}", outside, f"far{number}")
    namespace.program("ip", "-batch", "-", stdin=UPLINKS)
    outside.program("ip", "-batch", "-", stdin=PEERS)
    return namespace


def hop(here: Namespace, own: Gateway, peer: Gateway, by: str = "") -> tuple[str, Gateway | None] | None:
    index = here.call(socket.if_nametoindex, by) if by else 0
    found: NextHop | None = here.call(next_hop, own, peer, SSH_PORT, index)
    return None if found is None else (here.call(socket.if_indextoname, found.index), found.gateway)


def swap(here: Namespace) -> None:
    """The metrics of the two uplinks."""
    here.program("ip", "route", "add", "default", "via", str(ROUTERS[2]), "dev", "eni2", "metric", "50")


def test_the_kernel_tells_the_way_with_its_metrics_rules_and_tables(here: Namespace) -> None:
    assert hop(here, OWN, PEER) == ("eni1", ROUTERS[1])
    assert hop(here, OWN, ROUTERS[1]) == ("eni1", None)
    swap(here)
    assert hop(here, OWN, PEER) == ("eni2", ROUTERS[2])
    here.program("ip", "-batch", "-", stdin="rule add from 10.0.1.9 lookup 7\nroute add default dev eni1 table 7\n")
    assert hop(here, OWN, PEER) == ("eni1", None)
    here.program("ip", "rule", "add", "sport", "22", "ipproto", "tcp", "prohibit", "priority", "1")
    assert hop(here, OWN, PEER) is None


def test_ipv6_and_addresses_of_a_link(here: Namespace) -> None:
    own, peer = IPv6Address("fd00:1::9"), IPv6Address("2001:db8::7")
    assert hop(here, own, peer) is None
    here.program("ip", "-6", "route", "add", "default", "via", "fd00:1::1", "dev", "eni1")
    assert hop(here, own, peer) == ("eni1", IPv6Address("fd00:1::1"))
    here.program("ip", "-6", "route", "add", "unreachable", "2001:db8::/32")
    assert hop(here, own, peer) is None
    for name in ("eni1", "eni2"):
        assert hop(here, IPv6Address("fe80::9"), IPv6Address("fe80::7"), name) == (name, None)


def test_an_address_that_is_gone_has_no_way(here: Namespace) -> None:
    assert hop(here, IPv4Address("10.0.1.8"), PEER) is None


def test_a_connection_whose_replies_leave_by_another_uplink_is_lost(here: Namespace, outside: Namespace) -> None:
    """Although its peer is still heard: what it sends arrives, and what it is sent goes astray."""
    outside.program("ip", "route", "add", "10.0.1.0/24", "dev", "far1", "src", str(PEER), "metric", "1")
    for name in ("all", "eni1"):
        here.program("sysctl", "-q", f"net.ipv4.conf.{name}.rp_filter=0")
    listening = here.call(socket.create_server, (str(OWN), SSH_PORT))
    calling = outside.call(socket.create_connection, (str(OWN), SSH_PORT), 5.0, (str(PEER), 0))
    answering, _ = listening.accept()
    netlink = here.call(Netlink)
    try:
        host = Host(netlink, bus=None)
        answering.send(b"here")
        assert soon(lambda: [each.heard_s < SOON_S for each in here.call(ssh_connections)] == [True], within_s=SOON_S)
        before = here.call(lambda: ways(host.visits()))
        assert [(way.link, way.own, way.peer) for way in before] == [("eni1", OWN, PEER)]
        assert here.call(lambda: lost(before, (), host.visits(), 0.0)) == []

        swap(here)
        changed_at = time.monotonic()
        time.sleep(0.2)
        here.call(host.look)
        calling.send(b"a key")
        assert answering.recv(10) == b"a key"
        answering.send(b"its echo")
        time.sleep(0.2)
        gone = here.call(lambda: lost(before, (), host.visits(), time.monotonic() - changed_at))
        assert gone == list(before)

        here.program("ip", "route", "del", "default", "metric", "50")
        assert soon(lambda: [each.heard_s < SOON_S for each in here.call(ssh_connections)] == [True], within_s=SOON_S)
        here.call(host.look)
        assert here.call(lambda: lost(before, (), host.visits(), 0.0)) == []
    finally:
        here.call(netlink.close)
        for each in (calling, answering, listening):
            each.close()
