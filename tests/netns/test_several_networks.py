"""A LAN of two networks behind one gateway: each has its /64 of the routed prefix, its addresses and its names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.well_known import BEYOND
from firstboot.rendered.dnsmasq import heard
from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace
from tests.netns.test_firewall import tcp

pytestmark = pytest.mark.netns

CONFIG = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1, dns: [203.0.113.1]}
tunnel: {server: 198.51.100.100, address: "2001:db8:1::2/64", routed: "2001:db8:2::/48"}
lan:
  interface: eth1
  address: 192.168.2.1/24
  domain: home
  dhcp4: {range: 192.168.2.20-192.168.2.99}
  others:
    - interface: eth2
      address: 192.168.3.1/24
      domain: guests
      dhcp4: {range: 192.168.3.20-192.168.3.99}
"""
BETWEEN = """\
firewall:
  rules:
    - {from: inside, source: 192.168.2.0/24, to: inside, destination: 192.168.3.0/24, port: tcp/80, action: allow}
"""
OUTSIDE4, OUTSIDE6 = "203.0.113.9", "2001:db8:f::9"
LEASES = Path("/var/lib/appliance-dnsmasq/leases")
OFFER = "/run/appliance/dnsmasq.conf"
SOON_S = 10.0
DOMAINS = {"home": "home", "guest": "guests"}


@dataclass
class Site:
    """The gateway, a machine on each of its networks, and the Internet."""

    gateway: Living
    home: Namespace
    guest: Namespace
    outside: Namespace


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as router, Namespace() as home, Namespace() as guest, Namespace() as outside, ExitStack() as stack:
        for each in (router, home, guest, outside):
            each.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        for machine, name in ((outside, "eth0"), (outside, "he-ipv6"), (home, "eth1"), (guest, "eth2")):
            router.connect(name, machine, name)
        for name, address in (
            ("eth0", f"{OUTSIDE4}/24"),
            ("he-ipv6", "2001:db8:1::1/64"),
            ("he-ipv6", f"{OUTSIDE6}/64"),
            *(("he-ipv6", f"{host}/128") for host in BEYOND),
        ):
            outside.program("ip", "addr", "add", address, "dev", name)
        outside.program("ip", "-6", "route", "add", "2001:db8:2::/48", "via", "2001:db8:1::2")
        outside.program("sysctl", "-q", "net.ipv6.conf.all.forwarding=1")
        gateway = Living(router, tmp_path, CONFIG, without=NOT_HERE)
        give_ufw_files(router)
        router.program("mkdir", "-p", str(LEASES.parent))
        stack.enter_context(gateway)
        gateway.rested()
        assert soon(lambda: offers_ipv6(router), within_s=SOON_S)
        argv = ("dnsmasq", "--keep-in-foreground", "--pid-file=", f"--conf-file={OFFER}")
        served = router.call(router.begin, *argv)
        stack.callback(served.communicate)
        stack.callback(served.kill)
        yield Site(gateway, home, guest, outside)


def offers_ipv6(router: Namespace) -> bool:
    """Once the tunnel was seen to carry."""
    return heard(router.program("cat", OFFER), "eth2").router6_s > 0


def own_ipv6(machine: Namespace, network: IPv6Network) -> bool:
    """Whether it has made itself an address there."""
    words = machine.program("ip", "-6", "-o", "addr", "show", "scope", "global").split()
    return any(IPv6Interface(word).network == network for word in words if word.endswith("/64"))


def give(machine: Namespace, interface: str, own: str, router: str) -> None:
    machine.program("ip", "addr", "add", f"{own}/24", "dev", interface)
    machine.program("ip", "route", "add", "default", "via", router)


@pytest.mark.parametrize(
    ("name", "interface", "own", "network"),
    [
        ("home", "eth1", "192.168.2.7", IPv6Network("2001:db8:2::/64")),
        ("guest", "eth2", "192.168.3.7", IPv6Network("2001:db8:2:1::/64")),
    ],
)
def test_each_network_has_its_prefix_and_the_same_internet(
    site: Site, name: str, interface: str, own: str, network: IPv6Network
) -> None:
    machine: Namespace = getattr(site, name)
    assert soon(lambda: own_ipv6(machine, network), within_s=SOON_S), machine.program("ip", "addr")
    router = own.replace(".7", ".1")
    give(machine, interface, own, router)
    for address in (OUTSIDE4, OUTSIDE6):
        assert tcp(machine, site.outside, address, 80)
    for server in (router, str(network[1])):
        assert router in machine.program("dig", "+short", "+time=2", f"@{server}", f"appliance.{DOMAINS[name]}").split()


def test_they_are_apart_unless_a_rule_says_otherwise(site: Site) -> None:
    give(site.home, "eth1", "192.168.2.7", "192.168.2.1")
    give(site.guest, "eth2", "192.168.3.7", "192.168.3.1")
    assert not tcp(site.home, site.guest, "192.168.3.7", 80)
    site.gateway.file.write_text(CONFIG + BETWEEN)
    assert soon(lambda: tcp(site.home, site.guest, "192.168.3.7", 80), within_s=SOON_S)
    assert not tcp(site.guest, site.home, "192.168.2.7", 80)


def test_what_no_network_has_does_not_go_round_in_circles(site: Site) -> None:
    assert soon(lambda: own_ipv6(site.home, IPv6Network("2001:db8:2::/64")), within_s=SOON_S)
    told = site.home.program("sh", "-c", "ping -c 1 -W 2 2001:db8:2:77::1 || true")
    assert "Destination unreachable" in told, told
