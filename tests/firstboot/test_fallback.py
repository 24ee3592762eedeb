"""Two tunnels: which one serves, what the machine and the LAN have of each, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.he import BrokerTunnel
from appliance.model import Appliance, Broker, FallbackTunnel, Gadget, Lan, Profile, Share, TunnelForm, Uplink
from firstboot.actions import AddAddress, AskBroker, RetractIPv6, TakeOver, TellBroker
from firstboot.broker.memory import KnownRecord, Memory
from firstboot.facts import OURS, Address, Facts, Link, Route
from firstboot.health.diagnosis import HEALTHY, NOT_KNOWN, Fault, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.health.hysteresis import STEADY_S, Hysteresis
from firstboot.health.prober import begun
from firstboot.health.question import question
from firstboot.kinds import KINDS
from firstboot.picture import drawn, picture
from firstboot.policy.policy import policy_of
from firstboot.policy.tunnelled import comes_first
from firstboot.reconcile import Outcome, Reconciler, State, look
from firstboot.rendered.dnsmasq import LOADED, heard
from firstboot.rendered.ufw import rules_of
from firstboot.resources.broker import BrokerRecord
from firstboot.resources.reach import Reach
from firstboot.resources.tunnel_information import TunnelInformation
from firstboot.served import ROUTER_LIFETIME_S, served
from firstboot.sharing import exits_of, uplink_works
from firstboot.status import Source, Status, to_json
from firstboot.status_text import to_text
from firstboot.topology import lan_mtu, leading, passed_over, serving, tunnel_mtu
from firstboot.tunnels.said import said_of
from tests.firstboot.memory import MemoryMachine

SERVER = IPv4Address("198.51.100.200")
FALLBACK = FallbackTunnel(
    server=SERVER, address=IPv6Interface("2001:db8:b:1::2/64"), routed=IPv6Network("2001:db8:b:2::/64")
)
FIRST, SECOND = IPv6Network("2001:db8:123d:abc::/64"), IPv6Network("2001:db8:b:2::/64")
SILENT = diagnosis(Evidence(far_end=False, beyond=False, address=IPv4Address("192.168.1.252"), has_route=True))
WELL, DEAD, UNKNOWN = Health(True, HEALTHY, is_known=True), Health(False, SILENT, is_known=True), Health()


@pytest.fixture
def both(gateway: Appliance) -> Appliance:
    assert gateway.tunnel is not None
    return replace(gateway, tunnel=replace(gateway.tunnel, fallback=FALLBACK))


CHOICES = {
    "both carry": (WELL, WELL, 0, 0),
    "the preferred is dead": (DEAD, WELL, 1, 1),
    "the fallback is dead": (WELL, DEAD, 0, 0),
    "both are dead": (DEAD, DEAD, None, 0),
    "at a start": (UNKNOWN, UNKNOWN, None, 0),
    "at a start the fallback is the first to answer": (UNKNOWN, WELL, None, 0),
    "of the fallback nothing is known": (WELL, UNKNOWN, 0, 0),
    "the preferred is dead, and nothing is known of the fallback": (DEAD, UNKNOWN, None, 0),
}


@pytest.mark.parametrize("name", CHOICES)
def test_which_tunnel_serves(both: Appliance, name: str) -> None:
    first, second, served_by, led_by = CHOICES[name]
    facts = Facts(healths=(first, second))
    way, leader = serving(both, facts), leading(both, facts)
    assert (way.rank if way is not None else None) == served_by
    assert leader is not None and leader.rank == led_by
    assert passed_over(both, facts) == ((FIRST,) if led_by else (SECOND,))


def test_one_that_is_not_known_is_not_waited_for(both: Appliance) -> None:
    assert both.tunnel is not None
    unknown = replace(both, tunnel=replace(both.tunnel, server=None, broker=Broker(user="me", key="K3y", tunnel=7)))
    way = serving(unknown, Facts(healths=(UNKNOWN, WELL)))
    assert way is not None and way.rank == 1


def healths(rounds: Sequence[tuple[bool, bool]]) -> Iterator[tuple[Health, Health]]:
    """What is known of both after each round, in which they answer or do not; one every 2.5 s."""
    lives = [Hysteresis(), Hysteresis()]
    for number, answers in enumerate(rounds):
        lives = [life.after(answered, 2.5 * number) for life, answered in zip(lives, answers, strict=True)]
        first, second = (Health(bool(life.alive), is_known=life.alive is not None or life.is_silent) for life in lives)
        yield first, second


A, B, NONE = (True, True), (False, True), (False, False)
ONLY_A = (True, False)
STEADY = int(STEADY_S / 2.5)
TIMES: dict[str, tuple[list[tuple[bool, bool]], list[int | None]]] = {
    "well": ([A, A], [0, 0]),
    "a lost round is nothing": ([A, B, A, B, A], [0, 0, 0, 0, 0]),
    "dead after four": ([A, B, B, B, B, B], [0, 0, 0, 0, 1, 1]),
    "never there": ([B, B, B, B, B], [None, None, None, 1, 1]),
    "back after 30 s": ([A, *[B] * 4, *[A] * (STEADY + 1)], [0, 0, 0, 0, *[1] * STEADY, 1, 0]),
    "back for less than that": ([A, *[B] * 4, *[A] * STEADY, *[B] * 4], [0, 0, 0, 0, *[1] * (STEADY + 5)]),
    "both die": ([A, *[NONE] * 4, *[ONLY_A] * (STEADY + 1)], [0, 0, 0, 0, None, *[None] * STEADY, 0]),
}


@pytest.mark.parametrize("name", TIMES)
def test_which_tunnel_serves_as_time_goes_by(both: Appliance, name: str) -> None:
    rounds, expected = TIMES[name]
    ways = [serving(both, Facts(healths=found)) for found in healths(rounds)]
    assert [way.rank if way is not None else None for way in ways] == expected


def test_a_daemon_that_starts_again_knows_that_the_preferred_was_dead(both: Appliance, tmp_path: Path) -> None:
    files = (tmp_path / "first", tmp_path / "second")
    assert [prober.health for prober in begun(lambda: None, files)] == [Health(), Health()]
    files[1].touch()
    way = serving(both, Facts(healths=tuple(prober.health for prober in begun(lambda: None, files))))
    assert way is not None and way.rank == 1


@pytest.fixture
def pi() -> MemoryMachine:
    made = MemoryMachine()
    made.health = made.fallback_health = WELL
    return made


@pytest.fixture
def reconciler(pi: MemoryMachine) -> Reconciler:
    return Reconciler(
        KINDS,
        sleep=lambda _: None,
        clock=lambda: 0.0,
        news=lambda: (pi.health.carries, pi.fallback_health.carries),
    )


def settled(reconciler: Reconciler, pi: MemoryMachine, appliance: Appliance) -> None:
    for _ in range(5):
        before = len(pi.log)
        reconciler.reconcile(appliance, pi)
        if len(pi.log) == before:
            return
    raise AssertionError("it does not settle")


def default_routes(pi: MemoryMachine) -> set[tuple[str, str, int]]:
    found = (route for route in pi.routes if route.destination == IPv6Network("::/0"))
    return {(str(route.source), route.interface, route.metric) for route in found}


def deprecated(pi: MemoryMachine) -> set[str]:
    return {str(found.address) for found in pi.addresses if found.deprecated}


def test_both_are_made_and_each_has_its_own_default_routes(
    pi: MemoryMachine, reconciler: Reconciler, both: Appliance
) -> None:
    settled(reconciler, pi, both)
    assert (pi.links["he-ipv6"].remote, pi.links["tun6-fallback"].remote) == (IPv4Address("198.51.100.100"), SERVER)
    assert default_routes(pi) == {
        ("2001:db8:123c:abd::/64", "he-ipv6", 512),
        (str(FIRST), "he-ipv6", 512),
        ("2001:db8:b:1::/64", "tun6-fallback", 513),
        (str(SECOND), "tun6-fallback", 513),
    }
    assert IPv4Network(SERVER) in {route.destination for route in pi.routes}
    for name in ("he-ipv6", "tun6-fallback"):
        assert pi.sysctls[f"net/ipv6/conf/{name}/accept_ra"] == "0"


def test_the_lan_is_to_prefer_the_addresses_of_the_one_that_serves(
    pi: MemoryMachine, reconciler: Reconciler, both: Appliance
) -> None:
    settled(reconciler, pi, both)
    before, routes = len(pi.log), default_routes(pi)
    assert deprecated(pi) == {"2001:db8:b:1::2/64", "2001:db8:b:2::1/64"}
    told = heard(pi.files[LOADED].content.decode(), "eth0")
    assert (told.prefixes, told.router6_s) == (frozenset({FIRST}), ROUTER_LIFETIME_S)
    pi.health = DEAD
    settled(reconciler, pi, both)
    told = heard(pi.files[LOADED].content.decode(), "eth0")
    assert (told.prefixes, told.router6_s) == (frozenset({SECOND}), ROUTER_LIFETIME_S)
    assert (
        f"dhcp-range={FIRST.network_address},ra-stateless,ra-names,64,deprecated" in pi.files[LOADED].content.decode()
    )
    assert deprecated(pi) == {"2001:db8:123c:abd::2/64", "2001:db8:123d:abc::1/64"}
    did = pi.log[before:]
    assert RetractIPv6("eth0", ROUTER_LIFETIME_S, None, (FIRST,), (SECOND,)) in did
    assert all(action.replaces for action in did if isinstance(action, AddAddress))
    assert default_routes(pi) == routes, "whoever has an address of the dead one is not led astray"
    pi.health = WELL
    settled(reconciler, pi, both)
    assert heard(pi.files[LOADED].content.decode(), "eth0").prefixes == {FIRST}


def test_without_both_the_lan_has_no_ipv6(pi: MemoryMachine, reconciler: Reconciler, both: Appliance) -> None:
    settled(reconciler, pi, both)
    pi.health = pi.fallback_health = DEAD
    settled(reconciler, pi, both)
    content = pi.files[LOADED].content.decode()
    assert heard(content, "eth0").router6_s == 0 and "option6:dns-server,[" not in content


def test_each_network_has_a_prefix_of_both(both: Appliance) -> None:
    assert both.tunnel is not None and both.lan is not None
    several = replace(
        both,
        lan=replace(both.lan, others=(Lan(interface="eth1", address=IPv4Interface("192.168.9.1/24")),)),
        tunnel=replace(
            both.tunnel,
            routed=IPv6Network("2001:db8:a::/48"),
            fallback=replace(FALLBACK, routed=IPv6Network("2001:db8:c::/48")),
        ),
    )
    networks = served(several, Facts(healths=(DEAD, WELL))) or ()
    assert [[str(own) for own in network.ipv6] for network in networks] == [
        ["2001:db8:a::1/64", "2001:db8:c::1/64"],
        ["2001:db8:a:1::1/64", "2001:db8:c:1::1/64"],
    ]
    assert [[str(own) for own in network.deprecated] for network in networks] == [
        ["2001:db8:a::1/64"],
        ["2001:db8:a:1::1/64"],
    ]


def test_what_fits_through_the_narrower_one_fits_through_both(both: Appliance) -> None:
    assert both.tunnel is not None
    narrow = replace(both, tunnel=replace(both.tunnel, fallback=replace(FALLBACK, mtu=1400)))
    facts = Facts(healths=(replace(WELL, largest=1450), WELL))
    assert [tunnel_mtu(narrow, facts, rank) for rank in (0, 1)] == [1450, 1400]
    assert lan_mtu(narrow, facts) == 1400 and policy_of(narrow, facts).mss == 1340
    asked = question(narrow, facts, 1)
    assert asked is not None and (asked.interface, asked.server, asked.full) == ("tun6-fallback", SERVER, 1400)
    assert asked.section == "tunnel.fallback"


def test_the_laptop_leaves_by_the_one_that_serves(both: Appliance) -> None:
    laptop = replace(both, profile=Profile.GADGET, lan=None, gadget=Gadget(share=Share.ROUTE))
    uplink = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254"))
    ways = tuple(Route(IPv6Network("::/0"), name, None, 512, protocol=OURS) for name in exits_of(laptop, 6))
    facts = Facts(
        links={name: Link(name, up=True, carrier=True) for name in ("eth0", "br-usb")},
        addresses=(Address("eth0", IPv4Interface("192.168.1.252/24")),),
        routes=(uplink, *ways),
        neighbours={("eth0", IPv4Address("192.168.1.254")): True},
        gadget_ports={"ecm": "usb0"},
        healths=(DEAD, WELL),
    )
    assert uplink_works(laptop, facts, 6) is True
    assert uplink_works(laptop, replace(facts, healths=(DEAD, DEAD)), 6) is False
    wanted = next(kind for kind in KINDS if kind.name == "routes").desired(laptop, facts)
    [unique] = [reach for reach in wanted if str(reach.source).startswith("fd")]
    assert unique.interface == "tun6-fallback"
    translated = [line for line in rules_of(policy_of(laptop, facts), 6).text.splitlines() if "MASQUERADE" in line]
    assert [line.split(" -o ")[1].split()[0] for line in translated] == ["he-ipv6", "tun6-fallback"]


def test_the_outside_is_beyond_either(both: Appliance) -> None:
    text = rules_of(policy_of(both, Facts()), 6).text
    for name in ("he-ipv6", "tun6-fallback"):
        assert f"-A appliance-mss -i {name} -p tcp" in text and f"-A appliance-mss -o {name} -p tcp" in text
        for inside in (FIRST, SECOND):
            assert f"-A ufw6-before-forward -i {name} -s {inside} -j appliance-log-drop" in text
        assert f"-A ufw6-before-forward -i {name} -o eth0 -j appliance-in" in text
        assert f"-A ufw6-before-input -i {name} -p tcp ! --syn -j DROP" in text


def test_packets_of_each_come_from_its_own_server_and_no_other(both: Appliance) -> None:
    text = rules_of(policy_of(both, Facts()), 4).text
    lines = [line for line in text.splitlines() if "-p 41" in line and "before-input" in line]
    assert [line.split(" -s ")[1].split()[0] for line in lines[:-1]] == ["198.51.100.100/32", f"{SERVER}/32"]
    assert " -s " not in lines[-1] and "deny" in lines[-1] and not comes_first(both)
    assert both.tunnel is not None
    mixed = replace(both, tunnel=replace(both.tunnel, fallback=replace(FALLBACK, kind=TunnelForm.SIX_RD)))
    assert comes_first(mixed)


ACCOUNTS = (Broker(user="me", key="K3y", tunnel=7), Broker(user="me", key="K3y", tunnel=8))


@pytest.fixture
def accounts(both: Appliance) -> Appliance:
    assert both.tunnel is not None
    fallback = replace(FALLBACK, broker=ACCOUNTS[1], server=None, address=None, routed=None)
    uplink = Uplink(interface="eth0")
    return replace(both, uplink=uplink, tunnel=replace(both.tunnel, broker=ACCOUNTS[0], fallback=fallback))


@pytest.fixture
def leased(pi: MemoryMachine) -> MemoryMachine:
    pi.addresses = [Address("eth0", IPv4Interface("203.0.113.7/24"))]
    pi.routes = [Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("203.0.113.1"))]
    return pi


def test_the_broker_is_told_of_each(accounts: Appliance, leased: MemoryMachine) -> None:
    kind, local = BrokerRecord(), IPv4Address("203.0.113.7")
    leased.entry = KnownRecord(Memory(), 0.0)
    did = [action for change in look(accounts, kind, leased).changes for action in kind.actions(change)]
    assert did == [TellBroker(ACCOUNTS[0], local, 0), TellBroker(ACCOUNTS[1], local, 1)]


def test_what_is_left_out_of_the_fallback_the_broker_is_asked(accounts: Appliance, leased: MemoryMachine) -> None:
    kind, local = TunnelInformation(), IPv4Address("203.0.113.7")
    [change] = look(accounts, kind, leased).changes
    assert kind.actions(change) == [AskBroker(ACCOUNTS[1], local, 1)]
    leased.described = replace(
        leased.described,
        memory=replace(
            leased.described.memory,
            heard=BrokerTunnel(SERVER, IPv6Interface("2001:db8:b:1::2/64"), SECOND, number=8),
        ),
    )
    [change] = look(accounts, kind, leased).changes
    assert any(isinstance(action, TakeOver) and action.rank == 1 for action in kind.actions(change))


def test_what_the_broker_said_of_a_tunnel_holds_whatever_its_rank_is(accounts: Appliance) -> None:
    said = BrokerTunnel(SERVER, IPv6Interface("2001:db8:b:1::2/64"), SECOND, number=8)
    for remembered in ((None, said), (said, None)):
        assert list(said_of(accounts, Facts(broker_tunnels=remembered))) == [None, said]
    assert list(said_of(accounts, Facts(broker_tunnels=(replace(said, number=9),)))) == [None, None]


def test_what_is_wrong_with_the_fallback_is_said_of_it(both: Appliance, pi: MemoryMachine) -> None:
    kind = Reach()
    pi.fallback_health = DEAD
    [change] = look(both, kind, pi).changes
    error = kind.explain(change)
    assert error is not None and error.setting == "tunnel.fallback"
    assert error.message == f"of the fallback: {SILENT.sentence}"
    pi.health = DEAD
    first, _ = look(both, kind, pi).changes
    error = kind.explain(first)
    assert error is not None and (error.setting, error.message) == ("tunnel", SILENT.sentence)


@pytest.mark.parametrize(
    "seen",
    [
        Evidence(far_end=True, beyond=True, full=1480, largest=1380),
        Evidence(far_end=False, beyond=False, address=IPv4Address("192.168.1.252"), has_route=True, server=False),
    ],
)
def test_what_to_do_is_said_of_the_right_section(seen: Evidence) -> None:
    for section in ("tunnel", "tunnel.fallback"):
        assert f" {section}." in diagnosis(replace(seen, section=section)).hint


def told(appliance: Appliance, *found: Health) -> Status:
    facts = Facts(links={"eth0": Link("eth0", carrier=True)}, healths=found)
    return Status(appliance, Source.FILE, (Outcome("reach", State.OK),), facts)


def test_the_status_says_which_one_serves(both: Appliance, gateway: Appliance) -> None:
    content = json.loads(to_json(told(both, DEAD, WELL), began_s=0.0))
    assert content["tunnel"]["fault"] == SILENT.fault
    assert [(each["interface"], each["serves"], each["fault"]) for each in content["tunnels"]] == [
        ("he-ipv6", False, SILENT.fault),
        ("tun6-fallback", True, Fault.HEALTHY),
    ]
    assert [each["serves"] for each in json.loads(to_json(told(gateway, WELL), began_s=0.0))["tunnels"]] == [True]
    assert "the network is offered IPv6 by the fallback, tun6-fallback" in to_text(told(both, DEAD, WELL))
    assert "the network is offered IPv6\r\n" in to_text(told(both, WELL, WELL))
    assert "the network is offered no IPv6, as no tunnel carries" in to_text(told(both, DEAD, DEAD))
    assert "the network is offered no IPv6, as the tunnel does not carry" in to_text(told(gateway, DEAD))
    limited = replace(WELL, diagnosis=replace(HEALTHY, fault=Fault.RATE_LIMITED, sentence="it is slow"))
    assert "Fallback tunnel: it is slow" in to_text(told(both, WELL, limited))


def test_the_way_is_drawn_by_the_one_that_serves(both: Appliance) -> None:
    def way(*found: Health) -> str:
        facts = Facts(
            links={"eth0": Link("eth0", carrier=True)},
            addresses=(Address("eth0", IPv4Interface("192.168.1.252/24")),),
            routes=(Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254")),),
            healths=found,
        )
        return "\n".join(drawn(picture(both, facts, "ipv6gw")))

    assert "fallback tunnel --- IPv6 Internet" in way(DEAD, WELL) and str(SERVER) in way(DEAD, WELL)
    assert "fallback" not in way(WELL, WELL) and "fallback" not in way(DEAD, DEAD)
    assert NOT_KNOWN.fault is Fault.NOT_KNOWN and "-?- IPv6 Internet" in way(UNKNOWN, WELL)
