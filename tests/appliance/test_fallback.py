"""The section of the second tunnel: what is read of it, what is wrong with it and on which line, what completes it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

import pytest

from appliance.completion import asks_broker, completion
from appliance.firewall_checks import inside_networks, own_ipv6
from appliance.he import BrokerTunnel
from appliance.model import TUNNEL_PATHS, Appliance, TunnelForm
from appliance.validate import summary
from tests.appliance.conftest import parsed, problems

UPLINK = "profile: gateway\nuplink: {interface: eth0, address: 192.168.1.2/24, gateway: 192.168.1.1}\n"
LAN = "lan: {interface: eth1, address: 192.168.2.1/24}\n"
TUNNEL = """\
tunnel:
  server: 198.51.100.100
  address: 2001:db8:1::2/64
  routed: 2001:db8:2::/64
"""
FALLBACK = """\
  fallback:
    server: 198.51.100.200
    address: 2001:db8:b:1::2/64
    routed: 2001:db8:b:2::/64
"""
BOTH = f"{UPLINK}{LAN}{TUNNEL}{FALLBACK}"
ACCOUNT = "{user: me, key: K3y, tunnel: %d}"
BY_ACCOUNT = f"{UPLINK}{LAN}{TUNNEL}  fallback:\n    broker: {ACCOUNT % 8}\n"
SAID = BrokerTunnel(
    IPv4Address("198.51.100.200"), IPv6Interface("2001:db8:b:1::2/64"), IPv6Network("2001:db8:b:2::/64"), number=8
)


def both() -> Appliance:
    return parsed(BOTH).appliance


def test_both_are_known_by_their_rank() -> None:
    first, second = both().known_tunnels
    assert (first.rank, first.interface, first.path) == (0, "he-ipv6", "tunnel")
    assert (second.rank, second.interface, second.path) == (1, "tun6-fallback", "tunnel.fallback")
    assert second.server == IPv4Address("198.51.100.200") and len(second.interface) <= 15


def test_one_that_is_not_known_takes_no_rank_from_the_other() -> None:
    text = BOTH.replace(TUNNEL, f"tunnel:\n  broker: {ACCOUNT % 7}\n")
    [known] = parsed(text).appliance.known_tunnels
    assert known.rank == 1
    assert [tunnel.rank for tunnel in parsed(f"{UPLINK}{LAN}{TUNNEL}").appliance.known_tunnels] == [0]


def test_it_may_be_the_brokers_where_the_preferred_is_the_providers() -> None:
    appliance = parsed(BOTH.replace(TUNNEL, "tunnel:\n  kind: 6rd\n")).appliance
    assert [tunnel.kind for tunnel in appliance.tunnels] == [TunnelForm.SIX_RD, TunnelForm.SIX_IN_FOUR]


PROBLEMS = {
    "the same server": ("198.51.100.200", "198.51.100.100", "9:13: tunnel.fallback.server: 198.51.100.100 is that of"),
    "the same network": ("2001:db8:b:2::", "2001:db8:2::", "11:13: tunnel.fallback.routed: 2001:db8:2::/64 is the oth"),
    "the tunnel's network": ("2001:db8:b:2::", "2001:db8:1::", "11:13: tunnel.fallback.routed: 2001:db8:1::/64 is the"),
    "no global address": ("2001:db8:b:1::2/64", "fe80::2/64", "10:14: tunnel.fallback.address: fe80::2 is no global"),
    "a private server": ("198.51.100.200", "10.0.0.1", "9:13: tunnel.fallback.server: 10.0.0.1 is a private address"),
    "too small": ("2001:db8:b:2::/64", "2001:db8:b:2::/80", "11:13: tunnel.fallback.routed: a LAN whose machines"),
    "its own network": ("2001:db8:b:2::", "2001:db8:b:1::", "11:13: tunnel.fallback.routed: 2001:db8:b:1::/64 is the"),
    "something missing": ("    routed: 2001:db8:b:2::/64\n", "", "8:3: tunnel.fallback.routed is missing"),
    "a fallback of its own": ("    server: 198.51.100.200", "    fallback: {}\n    server: 198.51.100.200", "9:5: "),
    "the tunnel's name": (
        "    server: 198.",
        "    interface: he-ipv6\n    server: 198.",
        "9:16: tunnel.fallback.inter",
    ),
    "the LAN's name": (
        "    server: 198.",
        "    interface: eth1\n    server: 198.",
        "9:16: tunnel.fallback.interface: ",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_wrong_is_told_with_its_line(name: str) -> None:
    old, new, told = PROBLEMS[name]
    assert old in FALLBACK
    [found] = problems(BOTH.replace(FALLBACK, FALLBACK.replace(old, new)))
    assert found.startswith(f"a.yaml:{told}"), found


def test_what_the_other_says_is_told_as_well() -> None:
    [found] = problems(BOTH.replace("198.51.100.200", "198.51.100.100"))
    assert "(line 5)" in found


def test_it_fits_through_the_uplink() -> None:
    narrow = BOTH.replace("eth0, address", "eth0, mtu: 1492, address")
    [found] = problems(narrow.replace("    server: 198.", "    mtu: 1480\n    server: 198."))
    assert found.startswith("a.yaml:9:10: tunnel.fallback.mtu: 1480 does not fit through the uplink")


def test_a_provider_has_one_6rd_and_a_broker_one_tunnel_of_a_number() -> None:
    [twice] = problems(f"{UPLINK}{LAN}tunnel:\n  kind: 6rd\n  fallback:\n    kind: 6rd\n")
    assert "tunnel.fallback.kind: the provider has one 6rd" in twice
    accounts = f"tunnel:\n  broker: {ACCOUNT % 7}\n  fallback:\n    broker: {ACCOUNT % 7}\n"
    [same] = problems(f"{UPLINK}{LAN}{accounts}")
    assert "tunnel.fallback.broker.tunnel: 7 is the other tunnel" in same
    assert not problems(f"{UPLINK}{LAN}{accounts}".replace(ACCOUNT % 7 + "\n  fallback", ACCOUNT % 8 + "\n  fallback"))


def test_each_network_has_a_prefix_of_both() -> None:
    second = (
        "lan:\n  interface: eth1\n  address: 192.168.2.1/24\n  others: [{interface: eth2, address: 192.168.3.1/24}]\n"
    )
    found = problems(BOTH.replace(LAN, second).replace("2001:db8:2::/64", "2001:db8:2::/48"))
    assert len(found) == 1 and "no /64 left for eth2 in 2001:db8:b:2::/64, which is tunnel.fallback.routed" in found[0]


def test_a_machine_inside_has_an_address_of_either() -> None:
    rule = "firewall: {{allow_in: [{{to: '{}', tcp: [443]}}]}}\n"
    for inside in ("2001:db8:2::9", "2001:db8:b:2::9"):
        assert not problems(BOTH + rule.format(inside))
    [outside] = problems(BOTH + rule.format("2001:db8:9::9"))
    assert "is not in 2001:db8:2::/64 or 2001:db8:b:2::/64, which is tunnel.routed or tunnel.fallback.routed" in outside
    [own] = problems(BOTH + rule.format("2001:db8:b:2::1"))
    assert "is the Pi itself" in own
    assert own_ipv6(both()) == [IPv6Address("2001:db8:2::1"), IPv6Address("2001:db8:b:2::1")]
    assert [str(network) for network in inside_networks(both(), 6)] == ["2001:db8:2::/64", "2001:db8:b:2::/64"]


def test_the_cable_to_a_laptop_is_not_its_interface() -> None:
    gadget = BOTH.replace("profile: gateway", "profile: gadget").replace(LAN, "gadget: {share: route}\n")
    [found] = problems(gadget.replace("    server: 198.", "    interface: usb0\n    server: 198."))
    assert "tunnel.fallback.interface: usb0 is the cable" in found


def test_what_the_broker_says_of_it_completes_it() -> None:
    read = parsed(BY_ACCOUNT).appliance
    first, second = read.tunnels
    assert not asks_broker(first) and asks_broker(second) and len(read.known_tunnels) == 1
    whole = completion(read, None, SAID)
    assert not whole.wrong and [tunnel.server for tunnel in whole.appliance.known_tunnels][1] == SAID.server
    assert whole.appliance.tunnels[0].told == first.told
    assert whole.appliance.tunnels[1].told == {"server", "address", "routed"}
    assert completion(whole.appliance, None, SAID).appliance == whole.appliance
    assert completion(read, SAID).appliance is read, "it is about the other tunnel"


def test_what_the_broker_says_of_both_must_differ() -> None:
    same = replace(SAID, routed=IPv6Network("2001:db8:2::/64"))
    found = completion(parsed(BY_ACCOUNT).appliance, None, same)
    assert [finding.path for finding in found.wrong] == ["tunnel.fallback.routed"]
    assert len(found.appliance.known_tunnels) == 1


def test_what_differs_is_told_of_the_right_section() -> None:
    read = parsed(BOTH.replace("    server: 198.51.100.200\n", f"    broker: {ACCOUNT % 8}\n")).appliance
    found = completion(read, None, replace(SAID, address=IPv6Interface("2001:db8:b:3::2/64")))
    assert [finding.path for finding in found.warnings] == ["tunnel.fallback.address"]


def test_it_is_in_the_summary() -> None:
    assert "2001:db8:2::/64 through a tunnel to 198.51.100.100, 2001:db8:b:2::/64 through a" in summary(both())
    assert len(TUNNEL_PATHS) == len(both().tunnels)
