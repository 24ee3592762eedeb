"""A tunnel of which the file has the account alone: what the broker says makes it whole, or is refused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network

import pytest

from appliance.completion import asks_broker, completion
from appliance.he import BrokerTunnel
from appliance.model import Appliance, KnownTunnel
from tests.appliance.conftest import EXAMPLES, parsed, problems

ACCOUNT = "  broker: {user: jane, key: K3yOfTheTunnel, tunnel: 123456}\n"
SAID = BrokerTunnel(
    server=IPv4Address("198.51.100.100"),
    address=IPv6Interface("2001:db8:123c:abd::2/64"),
    routed=IPv6Network("2001:db8:123d:abc::/64"),
    number=123456,
    routed48=IPv6Network("2001:db8:456::/48"),
)
SECOND = "  others:\n    - {interface: eth1, address: 10.0.1.1/24}\n"
SERVER = "  server: 198.51.100.100\n"


def text(settings: str = "", *, account: str = ACCOUNT, others: str = "") -> str:
    """The example of a gateway, with these settings of its tunnel in place of what the page says."""
    gateway = (EXAMPLES / "gateway.yaml").read_text()
    before, rest = gateway.split("tunnel:\n")
    lan = rest[rest.index("lan:\n") :].replace("\nfirewall", f"{others}\nfirewall")
    return f"{before}tunnel:\n{settings}{account}\n{lan}"


def appliance(settings: str = "", **changes: str) -> Appliance:
    return parsed(text(settings, **changes)).appliance


def test_the_account_alone_is_a_whole_section() -> None:
    account = appliance()
    assert account.tunnel is not None and account.known_tunnel is None and asks_broker(account.tunnel)
    whole = completion(account, SAID)
    assert not whole.wrong and not whole.warnings
    assert whole.appliance.known_tunnel == KnownTunnel(
        SAID.server, SAID.address, IPv6Network("2001:db8:123d:abc::/64"), "he-ipv6"
    )
    assert asks_broker(whole.appliance.tunnel), "and it goes on asking"


def test_without_an_account_each_is_wanted_and_both_ways_out_are_named() -> None:
    hint = "(or an account in tunnel.broker, and the broker is asked for it)"
    assert problems(text("  mtu: 1480\n", account="")) == [
        f'a.yaml:15:1: tunnel.address is missing: the page\'s "Client IPv6 Address" {hint}',
        f'a.yaml:15:1: tunnel.routed is missing: the page\'s "Routed /64" {hint}',
        f'a.yaml:15:1: tunnel.server is missing: the page\'s "Server IPv4 Address" {hint}',
    ]


def test_a_file_that_says_all_asks_nobody() -> None:
    page = "  server: 198.51.100.100\n  address: 2001:db8:123c:abd::2/64\n  routed: 2001:db8:123d:abc::/64\n"
    whole = appliance(page)
    assert not asks_broker(whole.tunnel)
    assert completion(whole, replace(SAID, server=IPv4Address("203.0.113.9"))).appliance is whole


@pytest.mark.parametrize("said", [None, replace(SAID, number=123457)])
def test_what_is_not_known_or_of_another_tunnel_completes_nothing(said: BrokerTunnel | None) -> None:
    account = appliance()
    assert completion(account, said).appliance is account


def test_what_the_file_says_wins_and_a_difference_is_told() -> None:
    found = completion(appliance(SERVER), replace(SAID, server=IPv4Address("203.0.113.9")))
    tunnel = found.appliance.known_tunnel
    assert tunnel is not None and (str(tunnel.server), tunnel.address) == ("198.51.100.100", SAID.address)
    assert [finding.message for finding in found.warnings] == [
        "tunnel.server: the broker has 203.0.113.9 for this tunnel, and the file wins"
    ]
    assert not completion(appliance(SERVER), SAID).warnings


def test_a_part_of_what_is_routed_here_is_no_difference() -> None:
    part, other = (
        parsed(text(f"  routed: {routed}\n").replace("2001:db8:123d:abc::2", f"{routed[:-3]}2")).appliance
        for routed in ("2001:db8:456:7::/64", "2001:db8:457:7::/64")
    )
    assert not completion(part, SAID).wrong and not completion(part, SAID).warnings
    assert [finding.path for finding in completion(other, SAID).warnings] == ["tunnel.routed"]


def test_several_networks_have_the_48() -> None:
    two = text(others=SECOND).replace("2001:db8:123d:abc::2", "2001:db8:456::2")
    two = two.replace("lan:\n  interface: eth0", "lan:\n  interface: eth2\n  address: 192.168.2.1/24")
    several = parsed(two.replace("192.168.1.10-192.168.1.210", "192.168.2.10-192.168.2.210")).appliance
    tunnel = completion(several, SAID).appliance.known_tunnel
    assert tunnel is not None and tunnel.routed == SAID.routed48
    [wrong] = completion(several, replace(SAID, routed48=None, routed=IPv6Network("2001:db8:456::/64"))).wrong
    assert wrong.message.startswith("lan.others[0]: there is no /64 left for eth1 in 2001:db8:456::/64")


WRONG = [
    (replace(SAID, server=IPv4Address("192.168.1.1")), "tunnel.server: 192.168.1.1 is a private address"),
    (replace(SAID, address=IPv6Interface("fe80::2/64")), "tunnel.address: fe80::2 is no global address"),
    (replace(SAID, routed=SAID.address.network), "2001:db8:123c:abd::/64 is the tunnel's own network"),
    (replace(SAID, routed=IPv6Network("2001:db8:9::/64")), "firewall.allow_in[0].to: 2001:db8:123d:abc::2 is not in"),
]


@pytest.mark.parametrize(("said", "told"), WRONG)
def test_what_the_parser_would_not_have_taken_is_left_out(said: BrokerTunnel, told: str) -> None:
    account = appliance()
    found = completion(account, said)
    assert found.appliance is account
    assert any(told in finding.message for finding in found.wrong), found.wrong


def test_what_was_completed_is_completed_anew() -> None:
    once = completion(appliance(SERVER), SAID).appliance
    other = replace(SAID, address=IPv6Interface("2001:db8:123c:abe::2/64"))
    assert completion(once, other) == completion(appliance(SERVER), other)
    assert not completion(once, other).warnings


def test_what_was_told_is_of_no_use_without_the_account() -> None:
    tunnel = completion(appliance(), SAID).appliance.tunnel
    assert tunnel is not None and tunnel.known is not None and replace(tunnel, broker=None).known is None
