"""A gateway without a Pi: the host kernel, dnsmasq and ip6tables in one of the lab's namespaces.

It is for testing the lab and its checks in seconds. Its end of the tunnel is the stand-in's own
program the other way round, as the host kernel need not have `sit`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from image.lab.cables import NIC, WIRES, address, ip, plug
from image.lab.gateway import Lab

PI = "pi"
SIT = "he-ipv6"


@contextmanager
def fake_gateway(lab: Lab) -> Iterator[None]:
    """A one-armed gateway as shared by the examples' configuration, while the block runs."""
    world, site = lab.world, lab.site
    world.add_namespace(PI)
    plug(world, PI, switch="lan")
    world.run(PI, ["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
    address(world, PI, NIC, site.pi_uplink)
    ip(world, PI, "route", "add", "default", "via", str(site.router))
    ip(world, PI, "tuntap", "add", SIT, "mode", "tun")
    ip(world, PI, "link", "set", SIT, "mtu", "1480", "up")
    address(world, PI, SIT, site.tunnel_client)
    ip(world, PI, "-6", "route", "add", "default", "dev", SIT)
    ip(world, PI, "address", "add", f"{site.routed.network_address + 1}/64", "dev", NIC, "nodad")
    world.run(PI, ["ip6tables-restore"], stdin=RULES.format(web=site.web_host.ip))
    with world.running(PI, sit(lab), log="fake-sit"), world.running(PI, dnsmasq(lab), log="fake-dnsmasq"):
        yield
    ip(world, WIRES, "link", "delete", PI)
    world.enter(["ip", "netns", "delete", PI])


def sit(lab: Lab) -> list[str]:
    program = [sys.executable, "-m", "image.lab.tunnel_server", "--device", SIT, "--prefix", "::/0"]
    return [*program, "--server", str(lab.site.pi_uplink.ip), "--endpoint", str(lab.site.tunnel_server)]


def dnsmasq(lab: Lab) -> list[str]:
    site = lab.site
    return [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--dhcp-authoritative",
        "--enable-ra", "--stop-dns-rebind", f"--interface={NIC}", "--bind-interfaces", "--dhcp-leasefile=/run/leases",
        f"--dhcp-range={site.routed.network_address},ra-only", f"--ra-param={NIC},mtu:1480,10",
        "--dhcp-range=192.168.1.10,192.168.1.210,12h", f"--dhcp-option=option:router,{site.router}",
        "--domain=localnet", *(f"--server={resolver}" for resolver in site.resolvers),
    ]  # fmt: skip


RULES = f"""
*mangle
-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i {SIT} -p tcp -j DROP
-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i {SIT} -d {{web}} -p tcp -m multiport --dports 80,443 -j ACCEPT
-A FORWARD -i {SIT} -j DROP
COMMIT
"""
