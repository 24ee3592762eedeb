"""What `Netlink` says and does, against the real kernel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from appliance.errors import TemporaryError
from firstboot.events import firewall_events, network_events, setting_events
from firstboot.facts import OURS, Address, Link, Route
from firstboot.netlink import Netlink
from firstboot.readable import readable
from firstboot.sources import NETWORK, NOTHING, Source
from image.lab.waiting import until
from tests.netns.namespace import Namespace
from tests.netns.network import network

pytestmark = pytest.mark.netns


@pytest.fixture
def netlink(namespace: Namespace) -> Iterator[Netlink]:
    namespace.program("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
    namespace.program("ip", "link", "set", "far", "up")
    made = namespace.call(Netlink)
    yield made
    namespace.call(made.close)


def addresses(namespace: Namespace, netlink: Netlink) -> set[Address]:
    return {replace(address, tentative=False) for address in network(namespace, netlink).addresses}


def test_a_link_is_set_up_with_its_mtu(namespace: Namespace, netlink: Netlink) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=1492))
    link = network(namespace, netlink).links["eth0"]
    assert (link.up, link.carrier, link.mtu, link.kind) == (True, True, 1492, "veth")


def test_addresses_come_marked_as_ours_and_go(namespace: Namespace, netlink: Netlink) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    namespace.program("ip", "addr", "add", "192.168.7.1/24", "dev", "eth0")
    ours = [
        Address("eth0", IPv4Interface("192.168.1.252/24"), OURS),
        Address("eth0", IPv6Interface("2001:db8:123d:abc::1/64"), OURS),
    ]
    for address in ours:
        namespace.call(netlink.add_address, address)
        namespace.call(netlink.add_address, address)  # a second time is fine

    foreign = Address("eth0", IPv4Interface("192.168.7.1/24"), 0)
    assert addresses(namespace, netlink) == {*ours, foreign}
    for address in ours:
        namespace.call(netlink.remove_address, address)
        namespace.call(netlink.remove_address, address)
    assert addresses(namespace, netlink) == {foreign}


def test_an_address_is_deprecated_and_is_to_be_chosen_again(namespace: Namespace, netlink: Netlink) -> None:
    own = Address("eth0", IPv6Interface("2001:db8:123d:abc::1/64"), OURS)
    passed_over = replace(own, deprecated=True)
    for wanted, replaces in ((passed_over, False), (own, True), (passed_over, True)):
        namespace.call(partial(netlink.add_address, wanted, replaces=replaces))
        assert addresses(namespace, netlink) == {wanted}
    assert "valid_lft forever preferred_lft 0sec" in namespace.program("ip", "-6", "addr", "show", "dev", "eth0")


def test_a_duplicate_address_is_seen(namespace: Namespace, netlink: Netlink) -> None:
    namespace.program("ip", "link", "set", "far", "down")
    with Namespace() as neighbour:
        namespace.program("ip", "link", "set", "far", "netns", str(neighbour.thread_id))
        neighbour.program("ip", "addr", "add", "2001:db8:123d:abc::1/64", "dev", "far", "nodad")
        neighbour.program("ip", "link", "set", "far", "up")
        namespace.call(lambda: netlink.set_link("eth0", mtu=None))
        namespace.call(netlink.add_address, Address("eth0", IPv6Interface("2001:db8:123d:abc::1/64")))
        deadline = time.monotonic() + 10
        while not any(address.duplicate for address in addresses(namespace, netlink)):
            assert time.monotonic() < deadline, namespace.program("ip", "addr")
            time.sleep(0.1)


ROUTES = [
    Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254"), 100, protocol=OURS),
    Route(IPv4Network("198.51.100.100/32"), "eth0", IPv4Address("192.168.1.254"), 100, protocol=OURS),
    Route(IPv6Network("::/0"), "eth0", None, 1024, protocol=OURS),
    Route(IPv6Network("::/0"), "eth0", None, 1024, protocol=OURS, source=IPv6Network("2001:db8:1::/48")),
    Route(IPv6Network("::/0"), "eth0", None, 1024, protocol=OURS, source=IPv6Network("2001:db8:2::/64")),
    Route(IPv6Network("2001:db8:1::/48"), "", None, 512, protocol=OURS),
]


def test_routes_are_set_changed_and_removed(namespace: Namespace, netlink: Netlink) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    namespace.call(netlink.add_address, Address("eth0", IPv4Interface("192.168.1.252/24")))

    def ours() -> list[Route]:
        return [route for route in network(namespace, netlink).routes if route.protocol == OURS]

    for route in ROUTES:
        namespace.call(netlink.set_route, route)
    assert set(ours()) == set(ROUTES)

    with pytest.raises(TemporaryError, match="File exists"):
        namespace.call(netlink.set_route, ROUTES[0])
    moved = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.1"), 100, protocol=OURS)
    namespace.call(lambda: netlink.set_route(moved, replaces=True))
    assert set(ours()) == {moved, *ROUTES[1:]}
    told = json.loads(namespace.program("ip", "-json", "route", "show", "default"))
    assert [(route["gateway"], route["metric"], route["protocol"]) for route in told] == [("192.168.1.1", 100, "97")]

    for route in (moved, *ROUTES[1:]):
        namespace.call(netlink.remove_route, route)
        namespace.call(netlink.remove_route, route)  # a second time is fine
    assert ours() == []


def test_an_unreachable_router_is_the_kernels_refusal_in_words(namespace: Namespace, netlink: Netlink) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    with pytest.raises(TemporaryError, match=r"setting the route to 0\.0\.0\.0/0: the kernel refused"):
        namespace.call(netlink.set_route, ROUTES[0])


def test_a_bridge_is_made_and_has_ports(namespace: Namespace, netlink: Netlink) -> None:
    def link(name: str) -> Link:
        return network(namespace, netlink).links[name]

    namespace.call(lambda: netlink.add_bridge(name="br-usb", mac="02:00:b1:b2:c3:d4"))
    namespace.call(netlink.set_master, "eth0", "br-usb")
    made = link("br-usb")
    assert (made.kind, made.group, made.mac, made.up) == ("bridge", OURS, "02:00:b1:b2:c3:d4", False)
    assert "mcast_snooping 0" in namespace.program("ip", "-d", "link", "show", "br-usb")
    assert link("eth0").master == "br-usb"

    namespace.call(netlink.set_mac, "br-usb", "02:00:00:00:00:01")
    namespace.call(netlink.set_master, "eth0", "")
    assert (link("br-usb").mac, link("eth0").master) == ("02:00:00:00:00:01", "")


def test_addresses_of_link_scope_are_their_interfaces(namespace: Namespace, netlink: Netlink) -> None:
    own = IPv6Interface("fe80::1/64")
    namespace.program("sysctl", "-q", "net.ipv6.conf.eth0.addr_gen_mode=1")
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    namespace.call(netlink.add_address, Address("eth0", own))
    found = network(namespace, netlink)
    assert found.link_local["eth0"] == (own.ip,)
    assert own not in {address.address for address in found.addresses}
    namespace.call(netlink.remove_address, Address("eth0", own))
    assert "eth0" not in network(namespace, netlink).link_local


def test_a_missing_interface_is_named(namespace: Namespace, netlink: Netlink) -> None:
    with pytest.raises(TemporaryError, match="there is no interface eth7"):
        namespace.call(lambda: netlink.set_link("eth7", mtu=None))


@pytest.mark.parametrize(
    "change",
    [
        ("ip", "addr", "add", "192.168.7.1/24", "dev", "eth0"),
        ("ip", "-6", "route", "add", "default", "dev", "far"),
        ("ip", "link", "set", "far", "down"),
    ],
)
def test_whatever_changes_wakes(namespace: Namespace, netlink: Netlink, change: tuple[str, ...]) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    events = namespace.call(network_events)
    time.sleep(0.2)
    events.drain()
    assert not readable([events], 0)

    namespace.program(*change)

    assert readable([events], 2), "no event came"
    events.drain()
    events.close()


@pytest.mark.parametrize(
    "change",
    [
        ("ip", "rule", "add", "from", "192.168.9.0/24", "table", "9"),
        ("sysctl", "-q", "net.ipv6.conf.far.forwarding=1"),
    ],
)
def test_a_changed_setting_wakes(namespace: Namespace, netlink: Netlink, change: tuple[str, ...]) -> None:
    events = namespace.call(setting_events)
    assert not events.drain()
    namespace.program(*change)
    assert readable([events], 2), "no event came"
    assert events.drain()
    events.close()


def test_what_is_renewed_wakes_and_is_no_other_network(namespace: Namespace, netlink: Netlink) -> None:
    """A lease, or an address of a router's advertisement: they come again and again."""
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    events = namespace.call(network_events)
    for address in ("192.168.7.1/24", "2001:db8:7::1/64"):
        words = ("ip", "addr", "replace", address, "dev", "eth0", "nodad", "preferred_lft", "300", "valid_lft")
        namespace.program(*words, "600")
        time.sleep(0.2)
        before = network(namespace, netlink)
        events.drain()
        namespace.program(*words, "700")
        assert events.drain()
        assert network(namespace, netlink) == before
    events.close()


def test_an_overrun_wakes_and_does_no_harm(namespace: Namespace, netlink: Netlink) -> None:
    events = namespace.call(network_events)
    routes = "".join(f"route add 10.{a}.{b}.0/24 dev far proto 97\n" for a in range(100) for b in range(100))
    namespace.program("ip", "-batch", "-", stdin=routes)
    assert readable([events], 2)
    assert events.drain() == NETWORK | Source.SURROUNDINGS, "a neighbour may be among what is lost"
    assert not readable([events], 0.2)
    events.close()


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("iptables -P INPUT DROP", Source.FIREWALL4 | Source.SURROUNDINGS),
        ("ip6tables -P INPUT DROP", Source.FIREWALL6 | Source.SURROUNDINGS),
        ("nft add table inet other", Source.FIREWALL4 | Source.FIREWALL6 | Source.SURROUNDINGS),
        ("nft add table netdev other", NOTHING),
    ],
)
def test_a_changed_firewall_wakes_for_its_family(namespace: Namespace, command: str, changed: Source) -> None:
    events = namespace.call(firewall_events)
    namespace.program(*command.split())
    assert readable([events], 2), "no event came"
    assert events.drain() == changed
    events.close()


FOREIGN = ("route add 10.9.0.0/16 dev far", "-6 route add 2001:db8:f::/48 dev far", "route del 10.9.0.0/16 dev far")
TOLD = [
    "route add default dev far",
    "-6 route add default dev far",
    "route add 10.9.1.0/24 dev far proto 97",
    "route replace 10.9.1.0/24 dev lo",
    "route add 10.9.0.0/16 dev far table 7",
    "addr add 192.168.7.1/24 dev far",
    "link set far mtu 1400",
]


def test_foreign_routes_wake_nobody_and_all_else_does(namespace: Namespace, netlink: Netlink) -> None:
    namespace.program("ip", "link", "set", "eth0", "up")
    time.sleep(0.2)
    events = namespace.call(network_events)
    for command in FOREIGN:
        namespace.program("ip", *command.split())
        assert not events.drain(), command
    for command in TOLD:
        namespace.program("ip", *command.split())
        assert events.drain(), command
    events.close()


def test_neighbours_are_known_by_their_hardware(namespace: Namespace, netlink: Netlink) -> None:
    namespace.call(lambda: netlink.set_link("eth0", mtu=None))
    for address in ("192.168.7.20", "2001:db8:7::20"):
        namespace.program("ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:20", "dev", "eth0")
    found = namespace.call(netlink.tables.neighbours)
    assert ("02:00:00:00:00:20", IPv4Address("192.168.7.20")) in found
    assert ("02:00:00:00:00:20", IPv6Address("2001:db8:7::20")) in found


def test_a_neighbour_is_news_when_it_comes_back_or_has_another_card(namespace: Namespace, netlink: Netlink) -> None:
    namespace.program("ip", "link", "set", "eth0", "addrgenmode", "none", "up")
    events = namespace.call(network_events)
    until(
        lambda: "state UP" in namespace.program("ip", "link", "show", "eth0"),
        "the link's own news is over",
        timeout_s=10,
    )

    def told(*words: str) -> Source:
        events.drain()
        namespace.program("ip", "-6", "neigh", *words, "dev", "eth0")
        return events.drain()

    address, first, second = "2001:db8:7::20", ("lladdr", "02:00:00:00:00:20"), ("lladdr", "02:00:00:00:00:21")
    assert told("add", address, *first, "nud", "stale") == Source.SURROUNDINGS
    assert told("replace", address, *first, "nud", "reachable") == NOTHING
    assert told("replace", address, "nud", "failed") == NOTHING, "it may be off for a while"
    assert told("replace", address, *first, "nud", "reachable") == Source.SURROUNDINGS
    assert told("del", address) == NOTHING
    assert told("add", address, *first, "nud", "stale") == Source.SURROUNDINGS
    assert told("replace", address, *second, "nud", "stale") == Source.SURROUNDINGS
    assert told("replace", address, *first, "nud", "stale") == Source.SURROUNDINGS
    assert told("add", "fe80::20", *first, "nud", "stale") == NOTHING
    events.close()
