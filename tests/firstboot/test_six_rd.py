"""A gateway by the provider's 6rd: `kind: 6rd` is all that the file says, and DHCP (option 212) the rest."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from firstboot.actions import AddTunnel, RemoveLink, RetractIPv6
from firstboot.facts import OURS, Address, Link, Route
from firstboot.health.question import question
from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from firstboot.reconcile import Outcome, State
from firstboot.rendered import dnsmasq
from firstboot.tunnels.domain import Domain
from firstboot.tunnels.six_rd import where_to_ask
from firstboot.tunnels.told import Line, Told
from tests.appliance.conftest import parsed, problem
from tests.firstboot.passing import Site

CONFIG = """\
profile: gateway
hostname: ipv6gw
ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop]}
uplink: {interface: eth0}
tunnel: {kind: 6rd}
lan: {interface: eth1, address: 192.168.2.1/24, dhcp4: {range: 192.168.2.100-192.168.2.199}}
"""
LEASED, LATER = IPv4Address("10.100.100.1"), IPv4Address("10.100.100.2")
RELAY, SECOND = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
DOMAIN = Domain(IPv6Network("2001:db8::/32"), 8, (RELAY, SECOND))
ROUTED, OWN = IPv6Network("2001:db8:6464:100::/56"), IPv6Interface("2001:db8:6464:100::a64:6401/128")
ON_LAN, LATER_ON_LAN = IPv6Interface("2001:db8:6464:100::1/64"), IPv6Interface("2001:db8:6464:200::1/64")
TOLD = Told("eth0", LEASED, DOMAIN)
SOMEBODY, CUSTOMER = IPv6Address("2001:4860:4860::8888"), IPv4Address("10.7.7.7")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path, monkeypatch)
    made.card.write_text(CONFIG, encoding="utf-8")
    made.host.links["eth1"] = Link("eth1", carrier=True)
    leased(made, LEASED)
    return made


def leased(site: Site, address: IPv4Address) -> None:
    """As NetworkManager does it."""
    others = [each for each in site.host.addresses if each.interface != "eth0"]
    site.host.addresses = [*others, Address("eth0", IPv4Interface(f"{address}/24"))]
    router = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("10.100.100.254"), 100)
    site.host.routes = [*(each for each in site.host.routes if each.metric != 100), router]


def outcome(site: Site, kind: str = "6rd") -> Outcome:
    return next(each for each in site.told[-1].outcomes if each.kind == kind)


def heard(site: Site, told: Told | None) -> None:
    site.host.six_rd = told
    site.make()


def on(site: Site, interface: str) -> set[object]:
    found = [each for each in site.host.addresses if each.interface == interface and each.protocol == OURS]
    return {each.address for each in found if each.address.version == 6}


def test_the_kind_alone_is_a_whole_section() -> None:
    appliance = parsed(CONFIG).appliance
    assert appliance.tunnel is not None
    assert appliance.known_tunnel is None


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("server: 198.51.100.100", "tunnel.server"),
        ('address: "2001:db8::2/64"', "tunnel.address"),
        ('routed: "2001:db8:1::/64"', "tunnel.routed"),
        ("broker: {user: jane, key: K3y, tunnel: 1}", "tunnel.broker"),
    ],
)
def test_what_the_provider_says_is_not_for_the_file_to_say(setting: str, named: str) -> None:
    said = problem(CONFIG.replace("kind: 6rd", f"kind: 6rd, {setting}"))
    assert f"{named} is of a broker's tunnel, and tunnel.kind is 6rd" in said


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "the provider has not yet said what the tunnel is"),
        (Told("eth0", LEASED, trouble="the DHCP server tells nothing"), "the DHCP server tells nothing"),
        (replace(TOLD, interface="eth7"), "the provider has not yet said what the tunnel is"),
    ],
    ids=["not yet", "told nothing", "told elsewhere"],
)
def test_before_the_provider_has_said_it_there_is_ipv4_and_no_tunnel(site: Site, told: Told | None, why: str) -> None:
    heard(site, told)
    found = outcome(site)
    assert (found.state, found.error) == (State.WAITING, why)
    assert site.told[-1].line_of(found) == 5
    assert "he-ipv6" not in site.host.links
    assert "dhcp-range=192.168.2.100" in site.host.files[dnsmasq.LOADED].content.decode()


def test_what_the_provider_says_makes_the_tunnel(site: Site) -> None:
    heard(site, TOLD)
    assert [each for each in site.told[-1].outcomes if each.state is not State.OK] == []
    link = site.host.links["he-ipv6"]
    assert (link.local, link.remote, link.prefix, link.customers) == (
        LEASED, None, IPv6Network("2001:db8::/32"), IPv4Network("10.0.0.0/8")
    )  # fmt: skip
    assert on(site, "he-ipv6") == {OWN}
    assert on(site, "eth1") == {ON_LAN}
    through = {(each.source, each.gateway) for each in site.host.routes if each.interface == "he-ipv6"}
    relay = IPv6Address("::10.0.0.1")
    assert through == {(OWN.network, relay), (ROUTED, relay)}
    assert [each.destination for each in site.host.routes if each.interface == ""] == [ROUTED]
    site.host.log.clear()
    site.make()
    assert not site.host.log


def test_another_address_is_another_prefix_before_the_provider_is_heard_again(site: Site) -> None:
    heard(site, TOLD)
    site.host.log.clear()
    leased(site, LATER)
    site.make()
    assert on(site, "eth1") == {LATER_ON_LAN}
    assert {type(each) for each in site.host.log} >= {RemoveLink, AddTunnel}
    assert site.host.links["he-ipv6"].local == LATER
    assert {each.source for each in site.host.routes if each.interface == "he-ipv6"} >= {DOMAIN.delegated(LATER)}
    assert _retracted(site) == {("eth1", (ON_LAN.network,))}


def test_every_network_is_told_that_its_prefix_is_gone(site: Site) -> None:
    others = "others: [{interface: eth2, address: 192.168.3.1/24}]}"
    site.card.write_text(CONFIG.replace("192.168.2.199}}", "192.168.2.199}, " + others), encoding="utf-8")
    site.host.links["eth2"] = Link("eth2", carrier=True)
    heard(site, TOLD)
    site.host.log.clear()
    leased(site, LATER)
    site.make()
    second = IPv6Network("2001:db8:6464:101::/64")
    assert _retracted(site) == {("eth1", (ON_LAN.network,)), ("eth2", (second,))}


def _retracted(site: Site) -> set[tuple[str, tuple[IPv6Network, ...]]]:
    return {
        (each.interface, each.prefixes) for each in site.host.log if isinstance(each, RetractIPv6) and each.prefixes
    }


def test_a_lan_keeps_its_prefix_while_the_uplink_has_no_address(site: Site) -> None:
    heard(site, TOLD)
    site.host.addresses = [each for each in site.host.addresses if each.interface != "eth0"]
    site.make()
    assert on(site, "eth1") == {ON_LAN}
    assert "he-ipv6" in site.host.links
    assert outcome(site, "tunnel").state is State.WAITING


def test_who_says_nothing_any_more_takes_it_back(site: Site) -> None:
    heard(site, TOLD)
    heard(site, Told("eth0", LEASED, trouble="the DHCP server tells nothing"))
    assert "he-ipv6" not in site.host.links
    assert on(site, "eth1") == set()


def test_a_rule_about_a_former_prefix_is_a_warning(site: Site) -> None:
    rule = f'firewall: {{allow_in: [{{to: "{ROUTED[5]}", tcp: 443}}]}}\n'
    site.card.write_text(CONFIG + rule, encoding="utf-8")
    heard(site, TOLD)
    assert not site.told[-1].warnings
    leased(site, LATER)
    site.make()
    assert on(site, "eth1") == {LATER_ON_LAN}
    [warning] = site.told[-1].warnings
    assert f"{ROUTED[5]} is not in {DOMAIN.delegated(LATER)}" in warning.message


def test_too_many_networks_for_the_prefix(site: Site) -> None:
    others = "others: [{interface: eth2, address: 192.168.3.1/24}]}"
    site.card.write_text(CONFIG.replace("192.168.2.199}}", "192.168.2.199}, " + others), encoding="utf-8")
    heard(site, replace(TOLD, domain=replace(DOMAIN, prefix=IPv6Network("2001:db8:1:1::/64"), ipv4_mask_length=32)))
    found = outcome(site)
    assert found.state is State.FAILED
    assert "as the provider has the tunnel, lan.others[0]: there is no /64 left for eth2" in found.error
    assert "he-ipv6" not in site.host.links


def test_where_it_is_to_be_asked(site: Site) -> None:
    appliance, facts = parsed(CONFIG).appliance, site.host.facts()
    assert where_to_ask(appliance, facts) == Line("eth0", LEASED)
    assert where_to_ask(appliance, replace(facts, addresses=())) is None
    assert where_to_ask(appliance, replace(facts, links={"eth0": Link("eth0")})) is None
    assert where_to_ask(replace(appliance, tunnel=None), facts) is None


def test_what_is_asked_about_its_health(site: Site) -> None:
    heard(site, TOLD)
    asked = question(site.told[-1].appliance, site.host.facts(), 0)
    assert asked is not None
    assert (asked.own, asked.far_end, asked.server, asked.is_providers) == (
        OWN.ip, IPv6Address("2001:db8:0:100::"), RELAY, True
    )  # fmt: skip
    elsewhere = replace(DOMAIN, relays=(IPv4Address("192.0.2.1"),))
    heard(site, replace(TOLD, domain=elsewhere))
    asked = question(site.told[-1].appliance, site.host.facts(), 0)
    assert asked is not None
    assert asked.far_end is None


@pytest.mark.parametrize(
    ("source", "inner", "action"),
    [
        (RELAY, SOMEBODY, Action.ALLOW),
        (SECOND, SOMEBODY, Action.ALLOW),
        (CUSTOMER, IPv6Address("2001:db8:707:700::7"), Action.ALLOW),
        (CUSTOMER, SOMEBODY, Action.DENY),
        (IPv4Address("203.0.113.9"), IPv6Address("2001:db8:707:700::7"), Action.DENY),
        (IPv4Address("203.0.113.9"), SOMEBODY, Action.DENY),
    ],
)
def test_whose_packets_are_let_in(site: Site, source: IPv4Address, inner: IPv6Address, action: Action) -> None:
    heard(site, TOLD)
    policy = policy_of(site.told[-1].appliance, site.host.facts())
    assert decide(policy, Packet(source, LEASED, "41", "eth0", inner=inner)).action is action
