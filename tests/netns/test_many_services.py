"""So many services that they are looked up by chains: the policy and the kernel agree about each port."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, loaded

pytestmark = pytest.mark.netns

HOSTS = ("2001:db8:123d:abc::20", "2001:db8:123d:abc::21", "192.168.2.20")
SERVICES = "".join(
    f"    - {{to: '{host}', tcp: [{port}, {port + 10}-{port + 14}], udp: {port + 5}}}\n"
    for host in HOSTS
    for port in range(1000, 2600, 20)
)
FIREWALL = f"""
firewall:
  allow_in:
{SERVICES}
    - {{to: '{HOSTS[0]}', tcp: 900-1005, from: ["2001:db8:eeee::/48"]}}
    - {{to: '{HOSTS[0]}', tcp: 1380-1500, from: ["2001:db8:ffff::80"]}}
"""
ONE = f"firewall: {{allow_in: [{{to: '{HOSTS[0]}', tcp: 443}}, {{to: {HOSTS[2]}, tcp: 443}}]}}\n"
NEW = ("-N appliance-in", "-N appliance-dnat-")
SENDERS = {6: ("2001:db8:ffff::80", "2001:db8:eeee::7"), 4: ("203.0.113.9",)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    with loaded(tmp_path_factory.mktemp("crossing"), FIREWALL) as made:
        yield made


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("host", HOSTS)
def test_each_port_is_open_or_shut_as_the_policy_says(site: Crossing, host: str, protocol: str) -> None:
    policy, destination = policy_of(appliance_with(FIREWALL), site.facts), ip_address(host)
    if destination.version == 6:
        ways = ip_address(host), protocol, TUNNEL, LAN
    else:
        ways = ip_address("203.0.113.5"), protocol, OUTSIDE, ""
    sent = [
        Packet(ip_address(sender), *ways, port)
        for sender in SENDERS[destination.version]
        for port in (*range(895, 910), *range(990, 1060), *range(1370, 1420), 1499, 1500, 1501, *range(2570, 2610))
    ]
    said = [decide(policy, packet).action is Action.ALLOW for packet in sent]
    assert {True, False} <= set(said)
    assert site.passing(sent) == said


def chains_for_services(site: Crossing) -> set[tuple[str, str]]:
    found = set()
    for program in ("iptables", "ip6tables"):
        for table in ("filter", "nat"):
            lines = site.router.program(program, "-t", table, "-S").splitlines()
            found |= {(program, line.split()[1]) for line in lines if line.startswith(NEW)}
    return found


@pytest.mark.parametrize("after", ["", ONE], ids=["none", "one"])
def test_chains_that_no_service_needs_any_more_are_removed(tmp_path: Path, after: str) -> None:
    with loaded(tmp_path, FIREWALL) as site, loaded(tmp_path, after) as fresh:
        assert len(chains_for_services(site)) > 20
        site.load(appliance_with(after))
        assert chains_for_services(site) == chains_for_services(fresh)


def test_one_that_somebody_elses_rule_leads_to_is_in_nobodys_way(tmp_path: Path) -> None:
    with loaded(tmp_path, FIREWALL) as site:
        site.router.program("iptables", "-I", "FORWARD", "-s", "192.0.2.1", "-j", "appliance-in")
        site.load(appliance_with(""))
        assert chains_for_services(site) > {("iptables", "appliance-in")}
        assert not [name for program, name in chains_for_services(site) if program == "ip6tables"]
