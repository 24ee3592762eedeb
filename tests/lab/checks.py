"""What a gateway must do for its LAN, seen from outside of it: each function checks one thing, and changes nothing."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Network

from appliance.model import Appliance
from image.lab import site as places
from image.lab.cables import NIC, ip
from image.lab.client import Client
from image.lab.gateway import Lab
from image.lab.outside import watching_syns
from image.lab.services import PAGE
from image.lab.topology import CLIENT, INTERNET, PROVIDER

CLOSED = "timed-out"
"""What a dropped connection attempt looks like from the far end: nothing at all."""
CLAMPED_MSS = 1480 - 40 - 20


def gives_slaac_address(lab: Lab, *, timeout_s: float = 30) -> None:
    lab.client.replug()
    assert lab.client.slaac_address(timeout_s=timeout_s) in lab.site.routed


def advertises(lab: Lab) -> None:
    """The router advertisement itself: a router, the prefix for SLAAC, the MTU, and the Pi as DNS server (RFC 8106)."""
    text = lab.client.router_advertisement()
    fields = dict(re.findall(r"^\s*(\S.*?)\s*: +(\S+)", text, re.MULTILINE))
    [sender] = re.findall(r"^\s*from (\S+)$", text, re.MULTILINE)
    assert int(fields["Router lifetime"]) > 0
    assert IPv6Network(fields["Prefix"]) == lab.site.routed
    assert fields["Autonomous address conf."] == "Yes"
    assert fields["MTU"] == "1480"
    server = IPv6Address(fields["Recursive DNS server"])
    assert server == IPv6Address(sender) or server in lab.site.routed


def gives_lease(lab: Lab, appliance: Appliance, *, timeout_s: float = 30) -> None:
    lease = lab.client.dhcp_lease(timeout_s=timeout_s)
    assert appliance.lan is not None
    assert appliance.lan.dhcp4 is not None
    allowed = appliance.lan.dhcp4.range
    assert allowed.first <= lease.address.ip <= allowed.last
    assert lease.address.network == lab.site.lan
    assert lease.routers == ((lab.site.pi_lan.ip if lab.site.two_armed else lab.site.router),)
    assert lease.dns == (lab.site.pi_lan.ip,)
    assert lease.domain == appliance.lan.domain
    assert lease.lease_s == appliance.lan.dhcp4.lease


def resolves(lab: Lab) -> None:
    server = str(lab.site.pi_lan.ip)
    assert lab.client.resolve(places.SERVER_NAME, "AAAA", server=server) == [str(places.NAMED_IPV6)]
    assert lab.client.resolve(places.SERVER_NAME, "A", server=server) == [str(places.NAMED_IPV4)]


def resolves_over_ipv6(lab: Lab, server: str) -> None:
    assert lab.client.resolve(places.SERVER_NAME, "AAAA", server=server) == [str(places.NAMED_IPV6)]


def reaches_the_internet(lab: Lab, *, timeout_s: int = 10) -> None:
    for address in (places.SERVER.ip, places.NAMED_IPV6):
        assert lab.client.fetch(address, timeout_s=timeout_s) == PAGE


def has_way_out(lab: Lab) -> bool:
    """Whether the client has a default route for IPv6."""
    return bool(ip(lab.world, CLIENT, "-6", "route", "show", "default").strip())


def keeps_others_out(lab: Lab, host: Client, address: IPv6Address, port: int = 8080) -> None:
    """The server cannot open a connection to a listening host, although its neighbour on the LAN can."""
    neighbour = lab.web if host == lab.client else lab.client
    with host.listening(port):
        assert neighbour.fetch(address, port=port)
        assert lab.outside.knock(address, port) == CLOSED


def keeps_out(lab: Lab, address: IPv6Address, port: int) -> None:
    assert lab.outside.knock(address, port) == CLOSED


def lets_in(lab: Lab, *ports: int) -> None:
    """The configured ports of the web host are open, and no others."""
    address = give_web_host_its_address(lab)
    with lab.web.listening(*ports, 8080):
        for port in ports:
            assert lab.outside.knock(address, port) == "connected"
        assert lab.outside.knock(address, 8080) == CLOSED


def give_web_host_its_address(lab: Lab) -> IPv6Address:
    address = lab.site.web_host
    ip(lab.world, lab.web.name, "address", "replace", str(address), "dev", NIC, "nodad")
    return address.ip


def passes_full_packets(lab: Lab) -> None:
    lab.client.ping(places.SERVER.ip, size_bytes=1480)


def clamps_mss(lab: Lab) -> None:
    """Both ways, for hosts that do not heed the advertised MTU, and would ask for segments of 1440 bytes."""
    client = lab.client
    client.run("sysctl", "-qw", f"net.ipv6.conf.{NIC}.accept_ra_mtu=0", f"net.ipv6.conf.{NIC}.mtu=1500")
    server = places.SERVER.ip
    with watching_syns(lab.world, INTERNET, f"to-{PROVIDER}", to=server) as asked:
        assert client.fetch(server) == PAGE
        assert asked() == {CLAMPED_MSS}
    address = give_web_host_its_address(lab)
    with lab.web.listening(80), watching_syns(lab.world, lab.web.name, NIC, to=address) as asked:
        assert lab.outside.knock(address, 80) == "connected"
        assert asked() == {CLAMPED_MSS}
