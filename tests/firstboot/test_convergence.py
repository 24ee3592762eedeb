"""From whatever is there to what is wanted: the plan empties the difference, and a second plan is empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.model import Appliance
from appliance.parse import load
from firstboot.facts import MAIN_TABLE, OURS, Address, Interface, Link, Network, Route, Rule
from firstboot.kind import FileState
from firstboot.kinds import KINDS
from firstboot.paths import ETC, STATE
from firstboot.reconcile import Reconciler, State
from firstboot.rendered.ufw import FAMILIES
from firstboot.resources.routes import is_ours
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine

PASSES = {"gateway": 1, "policies": 1, "gadget-offline": 3}
"""After so many everything is right. The gadget's kinds need facts that kinds after them make: its interfaces' names,
and what dnsmasq has loaded."""

MADE_BY_US = ("he-ipv6", "br-usb")
"""Interfaces that go, with what is on them, if they are ours and not wanted any more."""

INTERFACES = ("eth0", "he-ipv6", "br-usb", "eni1", "eni2")
ROUTER = IPv4Address("192.168.1.254")
NETWORKS: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/0"),
    IPv4Network("198.51.100.100/32"),
    IPv4Network("10.9.0.0/16"),
    IPv6Network("::/0"),
    IPv6Network("2001:db8:9::/48"),
)
ADDRESSES: tuple[Interface, ...] = (
    IPv4Interface("192.168.1.252/24"),
    IPv4Interface("192.168.1.7/24"),
    IPv4Interface("10.55.0.1/28"),
    IPv6Interface("2001:db8:123d:abc::1/64"),
    IPv6Interface("2001:db8:9::1/64"),
)
PROTOCOLS = st.sampled_from((0, 3, 4, OURS))


def _kind_of(name: str) -> str:
    return {"he-ipv6": "sit", "br-usb": "bridge"}.get(name, "")


@st.composite
def links(draw: st.DrawFn) -> dict[str, Link]:
    found = {}
    for name in INTERFACES:
        kind = _kind_of(name)
        if not kind or draw(st.booleans()):
            found[name] = Link(
                name,
                kind,
                up=draw(st.booleans()),
                carrier=True,
                mtu=draw(st.sampled_from((1280, 1480, 1500))),
                group=draw(st.sampled_from((0, OURS))),
                mac="02:00:00:00:00:01",
                local=draw(st.sampled_from((None, IPv4Address("192.168.1.7")))),
                remote=draw(st.sampled_from((None, IPv4Address("198.51.100.100")))),
                ttl=draw(st.sampled_from((0, 64, 255))),
            )
    return found


@st.composite
def routes(draw: st.DrawFn, present: list[str]) -> list[Route]:
    found = st.builds(
        Route,
        destination=st.sampled_from(NETWORKS),
        interface=st.sampled_from((*present, "")),
        gateway=st.sampled_from((None, ROUTER)),
        metric=st.sampled_from((0, 97, 512, 1024)),
        table=st.sampled_from((MAIN_TABLE, 7, 300)),
        protocol=PROTOCOLS,
    )
    drawn = draw(st.lists(found, max_size=8))
    fitting = [
        replace(route, gateway=None if route.destination.version == 6 or not route.interface else route.gateway)
        for route in drawn
        # One of another program's at the very place of ours is left alone: it is no state that ends right.
        if (is_ours(route) or route.table != MAIN_TABLE or route.metric not in (97, 512))
        and (route.interface or route.destination.prefixlen == 0)
    ]
    return list({(r.destination, r.metric, r.table): r for r in fitting}.values())


@st.composite
def machines(draw: st.DrawFn) -> MemoryMachine:
    made = MemoryMachine()
    made.links = draw(links())
    present = list(made.links)
    pairs = st.tuples(st.sampled_from(present), st.sampled_from(ADDRESSES), PROTOCOLS)
    drawn = {(name, address): protocol for name, address, protocol in draw(st.lists(pairs, max_size=6))}
    made.addresses = [Address(name, address, protocol) for (name, address), protocol in drawn.items()]
    made.routes = draw(routes(present))
    made.rules_of_tables = draw(st.lists(st.builds(Rule, st.just(4), st.sampled_from((7, 300, MAIN_TABLE)))))
    names = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]
    names += [f"net/ipv4/conf/{name}/rp_filter" for name in INTERFACES]
    made.sysctls = {name: draw(st.sampled_from(("0", "1", "2"))) for name in names}
    made.kernel_name = draw(st.sampled_from(("raspberrypi", "appliance")))
    made.kernel_rules = {family: draw(st.sampled_from(("", "garbage"))) for family in FAMILIES}
    paths = (ETC / "hostname", ETC / "hosts", ETC / "ufw/before.rules", STATE / "gadget")
    states = st.builds(FileState, st.sampled_from((b"", b"old\n", b"\xff")), st.sampled_from((0o644, 0o600, 0o777)))
    made.files = draw(st.dictionaries(st.sampled_from(paths), states))
    made.active_units = draw(st.sets(st.sampled_from(("ssh.service", "appliance-dnsmasq.service"))))
    made.device_controllers = ["dwc2"]
    return made


@pytest.mark.parametrize("profile", PASSES)
def test_any_state_becomes_right(profile: str) -> None:
    appliance = load(EXAMPLES / f"{profile}.yaml").appliance
    _converges(profile, appliance)()


def _converges(profile: str, appliance: Appliance) -> Callable[[], None]:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(machine=machines())
    def check(machine: MemoryMachine) -> None:
        reconciler = Reconciler(KINDS, sleep=lambda _: None)
        for _ in range(PASSES[profile]):
            outcomes = reconciler.reconcile(appliance, machine)
        assert [outcome for outcome in outcomes if outcome.state is not State.OK] == []

        machine.log.clear()
        again = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
        assert machine.log == [], machine.log
        assert [outcome.done for outcome in again if outcome.done] == []

    return check


def test_foreign_things_are_as_they_were() -> None:
    appliance = load(EXAMPLES / "gateway.yaml").appliance

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(machine=machines())
    def check(machine: MemoryMachine) -> None:
        before = [route for route in machine.routes if not is_ours(route) and route.interface not in MADE_BY_US]
        rules = list(machine.rules_of_tables)
        foreign = [
            address
            for address in machine.addresses
            if address.protocol != OURS and address.interface not in MADE_BY_US and address.address not in ADDRESSES[:1]
        ]
        Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
        assert [route for route in machine.routes if route in before] == before
        assert [address for address in machine.addresses if address in foreign] == foreign
        assert machine.rules_of_tables == rules

    check()
