"""Routing policies against the real kernel, with other programs' things beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from appliance.model import Routing, SysctlPolicy
from firstboot.events import network_events, setting_events
from firstboot.sources import NOTHING, Source
from tests.netns.namespace import Namespace
from tests.netns.policies import FOREIGN, Site

pytestmark = pytest.mark.netns

DEFAULT = "default via 10.0.1.1 dev eni1 proto 97 metric 97 "
IN_TABLE_7 = "rule add from 10.0.1.9 table 7\nroute add 10.0.1.0/24 dev eni1 table 7"


@pytest.fixture
def site(namespace: Namespace) -> Iterator[Site]:
    made = Site(namespace)
    made.look_after()
    yield made
    made.close()


def test_a_table_that_a_rule_looks_up_has_a_default_route_as_long_as_it_does(site: Site) -> None:
    assert site.routes(7) == []
    site.ip(IN_TABLE_7)
    site.look_after()
    assert site.routes(7) == [DEFAULT, "10.0.1.0/24 dev eni1 scope link "]

    site.ip("route del default table 7")
    site.look_after(Source.ROUTES)
    assert DEFAULT in site.routes(7)

    site.ip("route change default via 10.0.1.3 dev eni1 metric 100")
    site.look_after(Source.ROUTES)
    assert site.routes(7)[0] == DEFAULT.replace("10.0.1.1", "10.0.1.3")

    site.ip("rule del from 10.0.1.9 table 7")
    site.look_after(Source.RULES)
    assert site.routes(7) == ["10.0.1.0/24 dev eni1 scope link "]


def test_a_route_of_ours_that_went_with_its_link_comes_back_with_it(site: Site) -> None:
    """The kernel takes IPv4 routes away without a word (net/ipv4/fib_frontend.c, fib_netdev_event)."""
    site.ip(IN_TABLE_7)
    site.look_after()
    site.ip("link set eni1 down")
    site.look_after(Source.LINKS)
    assert site.routes(7) == []
    site.ip(
        "link set eni1 up\nroute add default via 10.0.1.1 dev eni1 metric 100\nroute add 10.0.1.0/24 dev eni1 table 7"
    )
    site.look_after(Source.LINKS | Source.ROUTES)
    assert DEFAULT in site.routes(7)


def test_interfaces_have_their_settings_whenever_they_appear(site: Site) -> None:
    def loose(name: str) -> str:
        return site.namespace.program("sysctl", "-n", f"net/ipv4/conf/{name}/rp_filter").strip()

    assert (loose("eni1"), loose("far1")) == ("2", "0")
    site.ip("link add eni3 type veth peer name far3")
    site.look_after(Source.LINKS)
    assert loose("eni3") == "2"
    site.namespace.program("sysctl", "-q", "net/ipv4/conf/eni1/rp_filter=1")
    site.look_after(Source.SETTINGS)
    assert loose("eni1") == "2"


def test_settings_are_put_back_when_nobody_wants_them_any_more(site: Site) -> None:
    """Also by a daemon that was started since; not what somebody else set, nor on a new interface of that name."""

    def settings() -> list[str]:
        names = [f"net/ipv{family}/conf/{name}" for name in ("eni1", "eni2") for family in (4, 6)]
        programs = [f"{name}/{'rp_filter' if '4' in name else 'disable_ipv6'}" for name in names]
        return site.namespace.program("sysctl", "-n", *programs).split()

    wanted = {"net.ipv4.conf.{interface}.rp_filter": "1", "net.ipv6.conf.{interface}.disable_ipv6": "1"}
    nothing, policies = Routing(), Routing(sysctl=(SysctlPolicy(interface="eni*", set=wanted),))
    site.use(nothing)
    assert settings() == ["0", "0", "0", "0"]
    site.use(policies)
    assert settings() == ["1", "1", "1", "1"]
    site.begin_anew()
    site.look_after()
    site.use(nothing)
    assert settings() == ["0", "0", "0", "0"]

    site.use(policies)
    site.namespace.program("sysctl", "-q", "net/ipv4/conf/eni2/rp_filter=2")
    site.ip("link del eni1\nlink add eni1 type veth peer name far1")
    site.namespace.program("sysctl", "-q", "net/ipv4/conf/eni1/rp_filter=1", "net/ipv6/conf/eni1/disable_ipv6=1")
    site.use(nothing)
    assert settings() == ["1", "1", "2", "0"]
    assert site.host.facts().changed_settings == ()


def test_what_is_not_ours_is_never_touched(site: Site) -> None:
    site.ip(FOREIGN)
    before = site.state()
    site.ip(IN_TABLE_7)
    site.look_after()
    assert DEFAULT in site.routes(7)
    site.ip("route del default table 7 proto 97")
    site.look_after()
    site.ip("rule del from 10.0.1.9 table 7\nroute del 10.0.1.0/24 dev eni1 table 7")
    site.look_after()
    assert site.state() == before


def test_another_programs_route_of_our_metric_stays(site: Site) -> None:
    site.ip("route add default via 10.0.1.7 dev eni1 metric 97 table 7")
    site.ip(IN_TABLE_7)
    site.look_after()
    assert site.routes(7)[0] == "default via 10.0.1.7 dev eni1 metric 97 "


LEADING_NOWHERE = ("blackhole", "unreachable", "prohibit", "throw", "local")


@pytest.mark.parametrize(
    "default",
    [
        *(f"{sort} default table 7" for sort in LEADING_NOWHERE[:-1]),
        "local default dev lo table 7",
        "blackhole default table 7 metric 97 proto 97",
        "default table 7 nexthop via 10.0.1.3 dev eni1 nexthop via 10.0.2.3 dev eni2",
    ],
)
def test_a_default_route_of_whatever_sort_stays_the_only_one(site: Site, default: str) -> None:
    """Such as a VPN's kill switch: what it is to stop must not find a way past it."""
    site.ip(IN_TABLE_7)
    site.ip(f"route add {default}")
    site.look_after()
    assert DEFAULT not in site.routes(7)
    site.ip(f"route del {default}")
    site.look_after(Source.ROUTES)
    assert DEFAULT in site.routes(7)
    site.ip(f"route add {default.replace('metric 97', '')}")
    site.look_after(Source.ROUTES)
    assert DEFAULT not in site.routes(7)


@pytest.mark.parametrize("sort", LEADING_NOWHERE)
def test_and_for_ipv6(site: Site, sort: str) -> None:
    """The interface of these is lo."""
    site.ip("addr add 2001:db8::9/64 dev eni1 nodad\nroute add default via fe80::1 dev eni1 metric 100", "-6")
    site.ip("rule add from 2001:db8::9 table 7\nroute add 2001:db8::/64 dev eni1 table 7", "-6")

    def is_there() -> bool:
        return "default via fe80::1" in site.namespace.program("ip", "-6", "route", "show", "table", "7")

    site.look_after()
    assert is_there()
    site.ip(f"route add {sort} default dev lo table 7", "-6")
    site.look_after(Source.ROUTES)
    assert not is_there()


def test_a_next_hop_that_is_an_object_of_its_own_counts_too(site: Site) -> None:
    site.ip(IN_TABLE_7)
    site.ip("nexthop add id 5 via 10.0.1.3 dev eni1\nnexthop add id 6 group 5\nroute add default nhid 6 table 7")
    site.namespace.program("sysctl", "-q", "net.ipv4.nexthop_compat_mode=0")
    site.look_after()
    assert DEFAULT not in site.routes(7)


def test_all_of_that_is_told_by_the_kernel(site: Site) -> None:
    events = site.namespace.call(network_events), site.namespace.call(setting_events)

    def told() -> Source:
        found = NOTHING
        for each in events:
            found |= each.drain()
        return found

    time.sleep(0.2)
    told()
    for command, source in (
        ("rule add from 10.0.1.9 table 7", Source.RULES),
        ("route add 10.0.1.0/24 dev eni1 table 7", Source.ROUTES),
        ("route add default via 10.0.1.1 dev eni1 table 7", Source.ROUTES),
        ("route change default via 10.0.1.3 dev eni1 metric 100", Source.ROUTES),
        ("addr add 10.0.1.10/24 dev eni1", Source.ADDRESSES | Source.ROUTES),
        ("link set eni1 mtu 1400", Source.LINKS),
    ):
        site.ip(command)
        assert told() & source == source, command
    for each in events:
        each.close()
