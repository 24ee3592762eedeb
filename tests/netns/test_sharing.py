"""What the laptop gets over the cable, with a real DHCP client, dnsmasq, ufw and packets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface, ip_address, ip_network
from pathlib import Path

import pytest

from appliance.model import Appliance, Gadget, Profile, Share, Uplink
from firstboot.cable import unique_local
from tests.netns.gadget_site import PI, ROUTER, SERIAL, SERVER, SERVER6, GadgetSite, gadget_site, within
from tests.netns.test_firewall import reaches, tcp

pytestmark = pytest.mark.netns
OWN, START_S = "10.55.0.1", 20.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GadgetSite]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with gadget_site(tmp_path) as made:
        yield made


def gadget(share: Share = Share.ROUTE) -> Appliance:
    return Appliance(
        profile=Profile.GADGET,
        hostname="pigadget",
        uplink=Uplink(interface="eth0", address=IPv4Interface(f"{PI}/24"), gateway=IPv4Address(ROUTER)),
        gadget=Gadget(network=IPv4Interface(f"{OWN}/28"), share=share),
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
    assert not tcp(routed.laptop, routed.pi, OWN, 8080)
    assert not tcp(routed.laptop, routed.pi, PI, 8080)
    routed.pi.program("iptables", "-I", "INPUT", "-j", "ACCEPT")
    assert tcp(routed.laptop, routed.pi, OWN, 8080)


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
    assert not [address for _, address in attempts if reaches(routed.internet, address)]
    for program in ("iptables", "ip6tables"):
        routed.pi.program(program, "-I", "INPUT", "-j", "ACCEPT")
        routed.pi.program(program, "-I", "FORWARD", "-j", "ACCEPT")
    assert all(tcp(routed.internet, *target, 22) for target in attempts)


def test_an_address_that_is_not_the_cables_is_not_forwarded(routed: GadgetSite) -> None:
    routed.laptop.program("ip", "addr", "add", "192.168.1.77/32", "dev", "cable0")
    assert not tcp(routed.laptop, routed.internet, SERVER, 443, source="192.168.1.77")


def test_a_dead_uplink_is_withdrawn_and_offered_again(routed: GadgetSite) -> None:
    routed.kill_router()
    took_s = within(5.0, lambda: not routed.routers(4) and not routed.routers(6))
    within(10, lambda: bool(routed.addresses(4)))
    assert not routed.nameservers()
    routed.revive_router()
    back_s = within(15, lambda: routed.routers(4) == [OWN] and "fe80::1" in routed.routers(6))
    print(f"withdrawn after {took_s:.1f} s, offered again after {back_s:.1f} s")


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
