"""What the laptop gets over the cable, with a real DHCP client, dnsmasq, ufw and packets."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest

from appliance.model import Appliance, Gadget, Interfaces, Profile, Share, Uplink
from firstboot.arp import Arp
from firstboot.cable import BRIDGE, unique_local
from firstboot.neighbours import answering
from firstboot.sharing import NOBODY
from tests.netns.gadget_site import PI, ROUTER, SERIAL, SERVER, SERVER6, GadgetSite, gadget_site, within
from tests.netns.namespace import Namespace
from tests.netns.test_firewall import reaches, tcp, udp

pytestmark = pytest.mark.netns
LENT = ip_network("2001:db8:f00::/40")
OWN, WINDOWS, START_S = "10.55.0.1", "192.168.137.1", 40.0
LEASE_S = 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GadgetSite]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with gadget_site(tmp_path) as made:
        yield made


def gadget(
    share: Share = Share.ROUTE, network: str | None = f"{OWN}/28", interfaces: Interfaces = Interfaces.BRIDGED
) -> Appliance:
    return Appliance(
        profile=Profile.GADGET,
        hostname="pigadget",
        uplink=Uplink(interface="eth0", address=IPv4Interface(f"{PI}/24"), gateway=IPv4Address(ROUTER)),
        gadget=Gadget(network=IPv4Interface(network) if network else None, share=share, interfaces=interfaces),
    )


@pytest.fixture
def routed(site: GadgetSite) -> GadgetSite:
    """The laptop has its way to the Internet."""
    site.daemon(gadget())
    site.client()
    within(START_S, lambda: site.routers(4) == [OWN] and "fe80::1" in site.routers(6))
    return site


def test_the_laptop_reaches_the_internet(routed: GadgetSite) -> None:
    [address], [address6] = routed.addresses(4), routed.addresses(6)
    assert ip_address(address) in ip_network("10.55.0.0/28")
    assert ip_address(address6) in unique_local(SERIAL)
    assert routed.nameservers()[0] in (OWN, str(unique_local(SERIAL)[1]))
    assert tcp(routed.laptop, routed.internet, SERVER, 443)
    assert tcp(routed.laptop, routed.internet, SERVER6, 443)
    assert reaches(routed.laptop, SERVER) and reaches(routed.laptop, SERVER6)


def test_the_internet_sees_the_pis_addresses_only(routed: GadgetSite) -> None:
    assert source_seen(routed, SERVER) == PI
    assert ip_address(source_seen(routed, SERVER6)) in ip_network("2001:db8:1::/64")


def test_the_laptop_reaches_of_the_pi_what_it_needs(routed: GadgetSite) -> None:
    """And no other port; without the rules, as the last line shows, it would."""
    assert reaches(routed.laptop, OWN) and reaches(routed.laptop, "fe80::1%cable0")
    assert tcp(routed.laptop, routed.pi, OWN, 22)
    assert "10.55.0.1" in routed.laptop.program("dig", "+short", f"@{OWN}", "pigadget.usb.home.arpa")
    assert udp(routed.laptop, routed.pi, OWN, 5353)
    assert not tcp(routed.laptop, routed.pi, OWN, 8080)
    assert not tcp(routed.laptop, routed.pi, PI, 8080)
    assert not udp(routed.laptop, routed.pi, OWN, 8080)
    routed.pi.program("iptables", "-I", "INPUT", "-j", "ACCEPT")
    assert tcp(routed.laptop, routed.pi, OWN, 8080) and udp(routed.laptop, routed.pi, OWN, 8080)


def test_nobody_outside_reaches_the_pi_or_the_laptop(routed: GadgetSite) -> None:
    """Though the routes are there, as the last lines show."""
    [address], [address6] = routed.addresses(4), routed.addresses(6)
    pi6 = source_seen(routed, SERVER6)
    routed.internet.program("ip", "route", "add", "10.55.0.0/28", "via", PI)
    routed.internet.program("ip", "route", "add", f"{unique_local(SERIAL)}", "via", pi6)
    attempts = [
        (routed.pi, PI),
        (routed.pi, pi6),
        (routed.pi, OWN),
        (routed.laptop, address),
        (routed.laptop, address6),
    ]
    for port in (22, 80, 5353):
        assert not [target for target in attempts if tcp(routed.internet, *target, port)]
    assert not any(questioned(routed, attempts))
    assert not [address for _, address in attempts if reaches(routed.internet, address)]
    for program in ("iptables", "ip6tables"):
        routed.pi.program(program, "-I", "INPUT", "-j", "ACCEPT")
        routed.pi.program(program, "-I", "FORWARD", "-j", "ACCEPT")
    assert all(tcp(routed.internet, *target, 22) for target in attempts)
    assert all(questioned(routed, attempts))


def questioned(site: GadgetSite, targets: list[tuple[Namespace, str]]) -> list[bool]:
    """Whether programs at the ports of DNS, DHCP and multicast DNS get to answer a neighbour, and the Internet."""
    return [
        udp(site.internet, host, address, port, source)
        for host, address in targets
        for source in ("", SERVER6 if ":" in address else SERVER)
        for port in (53, 67, 5353)
    ]


def test_an_address_that_is_not_the_cables_is_not_forwarded(routed: GadgetSite) -> None:
    routed.laptop.program("ip", "addr", "add", "192.168.1.77/32", "dev", "cable0")
    assert not tcp(routed.laptop, routed.internet, SERVER, 443, source="192.168.1.77")


def test_a_dead_uplink_is_withdrawn_and_offered_again(routed: GadgetSite) -> None:
    routed.kill_router()
    took_s = within(5.0, lambda: not routed.routers(4) and not routed.routers(6))
    within(10, lambda: bool(routed.addresses(4)))
    assert not routed.nameservers()
    within(10, lambda: errors(routed) == [f"the router {ROUTER} does not answer: the laptop is given no way out"])
    routed.revive_router()
    back_s = within(15, lambda: routed.routers(4) == [OWN] and "fe80::1" in routed.routers(6))
    within(10, lambda: not errors(routed))
    print(f"withdrawn after {took_s:.1f} s, offered again after {back_s:.1f} s")


def errors(site: GadgetSite) -> list[str]:
    """What the daemon has to say of its last pass."""
    return [outcome.error for outcome in site.daemons[0].outcomes if outcome.error]


def test_a_pulled_cable_is_withdrawn(routed: GadgetSite) -> None:
    routed.internet.program("ip", "link", "set", "eth0", "down")
    within(5.0, lambda: not routed.routers(4) and not routed.routers(6))


def test_local_leaves_the_laptops_own_internet_alone(site: GadgetSite) -> None:
    daemon = site.daemon(gadget(Share.LOCAL))
    within(START_S, lambda: bool(daemon.passes))
    site.client()
    within(START_S, lambda: bool(site.addresses(4) and site.addresses(6)))
    assert not site.routers(4) and not site.routers(6) and not site.nameservers()
    assert tcp(site.laptop, site.pi, OWN, 22)
    site.laptop.program("ip", "route", "add", "default", "via", OWN)
    assert not tcp(site.laptop, site.internet, SERVER, 443)
    assert site.pi.program("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").split() == ["0", "0"]


def preferred(site: GadgetSite) -> list[str]:
    """The laptop's global IPv6 addresses that it would still use for something new."""
    shown = json.loads(site.laptop.program("ip", "-6", "-json", "addr", "show", "dev", "cable0", "scope", "global"))
    found = [info for link in shown for info in link.get("addr_info", []) if info]
    return [info["local"] for info in found if not info.get("deprecated")]


def source_seen(site: GadgetSite, address: str) -> str:
    """Whom a server sees when the laptop connects to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def listen() -> socket.socket:
        return socket.create_server((address, 443), family=family)

    def connect() -> None:
        socket.create_connection((address, 443), 2).close()

    with closing(site.internet.call(listen)) as listener:
        site.laptop.call(connect)
        accepted, peer = site.internet.call(listener.accept)
        accepted.close()
    return str(peer[0])


def test_a_laptop_that_shares_its_internet_is_found_and_its_end_as_well(site: GadgetSite) -> None:
    daemon = site.daemon(gadget(Share.AUTO))
    within(START_S, lambda: OWN in own_addresses(site) and daemon.serves)
    with site.shared_by_the_laptop(f"{WINDOWS}/24"):
        turned_s = within(20, lambda: OWN not in own_addresses(site) and not daemon.serves)
        given_s = within(30, lambda: any(found.startswith("192.168.137.") for found in own_addresses(site)))
        [own] = [found for found in own_addresses(site) if found.startswith("192.168.137.")]
        routes = json.loads(site.pi.program("ip", "-json", "route", "show", "default"))
        assert [route["gateway"] for route in sorted(routes, key=lambda route: route["metric"])] == [WINDOWS, ROUTER]
        within(10, lambda: f"nameserver {WINDOWS}" in site.pi.program("cat", "/etc/resolv.conf"))
        assert tcp(site.pi, site.laptop, WINDOWS, 443)
        assert tcp(site.laptop, site.pi, own, 22)
        assert not tcp(site.laptop, site.pi, own, 53)
        site.laptop.program("ip", "route", "add", f"{SERVER}/32", "via", own)
        assert not tcp(site.laptop, site.internet, SERVER, 443)
    back_s = within(10, lambda: OWN in own_addresses(site) and daemon.serves)
    site.client()
    within(START_S, lambda: site.routers(4) == [OWN])
    print(f"host after {turned_s:.1f} s, an address {given_s:.1f} s later, route again after {back_s:.1f} s")


def test_what_answers_on_the_uplink_is_no_laptop_that_shares(site: GadgetSite) -> None:
    """A home router may well be called as such a laptop is."""
    site.internet.program("ip", "addr", "add", f"{WINDOWS}/24", "dev", "eth0")
    daemon = site.daemon(gadget(Share.AUTO))
    within(START_S, lambda: daemon.neighbours.answers.get((BRIDGE, IPv4Address(WINDOWS))) is False)
    assert OWN in own_addresses(site)


def test_a_laptop_that_shares_elsewhere_gets_its_way_out(site: GadgetSite) -> None:
    """Linux answers on the cable for an address that it has on another network (a hotspot's, a cluster's)."""
    site.laptop.program("ip", "addr", "add", f"{WINDOWS}/24", "dev", "lo")
    daemon = site.daemon(gadget(Share.AUTO))
    site.client()
    within(START_S, lambda: daemon.neighbours.answers.get((BRIDGE, IPv4Address(WINDOWS))) is False)
    within(START_S, lambda: site.routers(4) == [OWN])
    host = IPv4Address(WINDOWS)
    with closing((arp := site.pi.call(Arp, BRIDGE, NOBODY, [host])).socket):
        assert site.pi.call(answering, [arp], 1) == {host}, "it does answer"


def test_the_cables_network_steps_aside_for_the_uplinks(site: GadgetSite) -> None:
    daemon = site.daemon(gadget(network=None))
    site.client()
    within(START_S, lambda: bool(site.routers(4)))
    [first] = site.routers(4)
    within(START_S, lambda: not any(outcome.done for outcome in daemon.outcomes))
    changes = carrier_changes(site)
    site.pi.program("ip", "addr", "add", f"{ip_address(first) + 4}/24", "dev", "eth0")
    moved_s = within(15, lambda: first not in [*own_addresses(site), *site.routers(4)] and bool(site.routers(4)))
    second = next(own for own in own_addresses(site) if ":" not in own)
    within(5, lambda: site.routers(4) == [second])
    [address] = site.addresses(4)
    assert ip_address(address) in IPv4Interface(f"{second}/28").network
    assert carrier_changes(site) == changes + 2, "away and back, once"
    assert first not in own_addresses(site)
    assert tcp(site.laptop, site.internet, SERVER, 443)
    site.pi.program("ip", "addr", "del", f"{ip_address(first) + 4}/24", "dev", "eth0")
    time.sleep(2)
    assert site.routers(4) == [second] and second in own_addresses(site), "it does not go back"
    print(f"moved after {moved_s:.1f} s")
    assert not any(outcome.error for outcome in daemon.outcomes)


def test_a_network_of_the_users_that_overlaps_is_said(site: GadgetSite) -> None:
    daemon = site.daemon(gadget())
    site.client()
    within(START_S, lambda: bool(site.routers(4)))
    site.pi.program("ip", "addr", "add", "10.55.0.9/24", "dev", "eth0")
    within(10, lambda: any("gadget.network overlaps 10.55.0.0/24" in outcome.error for outcome in daemon.outcomes))
    within(5, lambda: not site.routers(4))


def test_while_nothing_changes_nothing_is_done(routed: GadgetSite) -> None:
    """No restart, no flap: a pass that finds everything right does nothing."""
    daemon = routed.daemons[0]
    within(START_S, lambda: not any(outcome.done for outcome in daemon.outcomes))
    starts, carriers = daemon.units.restarts, carrier_changes(routed)
    for _ in range(3):
        daemon.wake()
        time.sleep(1)
    assert (daemon.units.restarts, carrier_changes(routed)) == (starts, carriers)


def carrier_changes(site: GadgetSite) -> int:
    """How often the laptop has seen the cable come and go."""
    shown = json.loads(site.laptop.program("ip", "-s", "-s", "-json", "link", "show", "dev", "cable0"))
    return int(shown[0]["stats64"]["tx"]["carrier_changes"])


def own_addresses(site: GadgetSite) -> list[str]:
    """The Pi's addresses on the cable."""
    return pi_addresses(site, BRIDGE)


def test_a_delegated_prefix_is_the_laptops(site: GadgetSite) -> None:
    """And not translated: the Internet sees the laptop's own address, and still nobody reaches it."""
    site.stack.enter_context(site.delegating())
    site.daemon(gadget())
    site.client()
    within(40, lambda: any(ip_address(found) in LENT for found in site.addresses(6)))
    within(START_S, lambda: "fe80::1" in site.routers(6))
    [address] = [found for found in site.addresses(6) if ip_address(found) in LENT]
    via = next(found for found in pi_addresses(site, "eth0") if found.startswith("2001:db8:1:"))
    site.internet.program("ip", "route", "add", str(LENT), "via", via)
    assert source_seen(site, SERVER6) == address
    assert not tcp(site.internet, site.laptop, address, 22) and not reaches(site.internet, address)
    site.pi.program("ip6tables", "-I", "FORWARD", "-j", "ACCEPT")
    assert tcp(site.internet, site.laptop, address, 22)


def test_a_delegated_prefix_that_goes_is_used_no_more(site: GadgetSite) -> None:
    """The laptop would send from it for another two hours, into nowhere."""
    with site.delegating(lease_s=LEASE_S):
        site.daemon(gadget())
        site.client()
        within(40, lambda: any(ip_address(found) in LENT for found in preferred(site)))
        within(START_S, lambda: "fe80::1" in site.routers(6))
    within(LEASE_S + START_S, lambda: not any(ip_address(found) in LENT for found in preferred(site)))
    assert preferred(site) and "fe80::1" in site.routers(6), "the other prefix and the router stay"
    assert ip_address(source_seen(site, SERVER6)) in ip_network("2001:db8:1::/64")


def test_a_router_that_gives_out_addresses_itself(site: GadgetSite) -> None:
    """As in many a company: no SLAAC, one address by DHCPv6."""
    site.advertise("2001:db8:1::100,2001:db8:1::1ff", "64")
    site.daemon(gadget())
    site.client()
    within(40, lambda: "fe80::1" in site.routers(6))
    assert IPv6Address(source_seen(site, SERVER6)) in IPv6Network("2001:db8:1::100/120")


def test_the_pi_cannot_be_recognized_by_its_address(routed: GadgetSite) -> None:
    """The adapter's own would stand on both sides of ff:fe, in every network (RFC 4291, appendix A)."""
    [address] = [found for found in pi_addresses(routed, "eth0") if found.startswith("2001:db8:1:")]
    assert ip_address(address).packed[11:13] != b"\xff\xfe"


def test_separate_networks_are_both_served_and_apart(tmp_path: Path) -> None:
    """Though the laptops know the way to each other, as the last line shows."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with gadget_site(tmp_path) as site, Namespace() as other:
        site.laptop.program("ip", "link", "set", "cable1", "netns", str(other.thread_id))
        other.program("ip", "link", "set", "cable1", "up")
        other.program("ip", "addr", "add", "10.55.0.10/29", "dev", "cable1")
        other.program("ip", "route", "add", "default", "via", "10.55.0.9")
        daemon = site.daemon(gadget(interfaces=Interfaces.SEPARATE))
        within(START_S, lambda: bool(daemon.passes))
        site.client()
        within(START_S, lambda: site.routers(4) == [OWN] and "fe80::1" in site.routers(6))
        [address] = site.addresses(4)
        assert ip_address(address) in ip_network("10.55.0.0/29")
        for laptop in (site.laptop, other):
            assert tcp(laptop, site.internet, SERVER, 443)
        assert tcp(other, site.pi, "10.55.0.9", 22)
        assert not tcp(other, site.laptop, address, 22)
        site.pi.program("iptables", "-I", "FORWARD", "-j", "ACCEPT")
        assert tcp(other, site.laptop, address, 22)


def pi_addresses(site: GadgetSite, interface: str) -> list[str]:
    """The Pi's addresses on an interface, if that is there yet."""
    links = json.loads(site.pi.program("ip", "-json", "addr", "show"))
    return [info["local"] for link in links if link["ifname"] == interface for info in link["addr_info"]]
