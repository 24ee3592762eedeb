"""A LAN that a daemon serves by the image's own units, beside a `TunnelSite`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.netns.gadget_site import UnitFiles
from tests.netns.namespace import Namespace
from tests.netns.tunnel_site import PI, TunnelSite

NOT_HERE = ("hostname", "tunnel", "tunnel-sysctls", "dhcpcd", "status-page")
"""Kinds that need more of systemd, or a module that not every kernel has."""
LAN, HOST = "192.168.2.1", "192.168.2.50"


class Bus(UnitFiles):
    """Units, and no NetworkManager."""

    lost = False


def give_the_lan(site: TunnelSite) -> None:
    """Addresses of IPv4, which another test is about; the Pi has none of its own yet."""
    for argv in (
        ("addr", "add", f"{HOST}/24", "dev", "eth0"),
        ("route", "add", "default", "via", LAN),
    ):
        site.client.program("ip", *argv)
    site.client.program("sysctl", "-q", "net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.forwarding=0")
    site.home.program("ip", "route", "add", "192.168.2.0/24", "via", str(PI))
    site.internet.program("ip", "-6", "route", "replace", "default", "via", "2001:db8:ffff::1")


def give_dnsmasq_its_folder() -> None:
    """As systemd does (StateDirectory); to be called in the namespace."""
    folder = Path("/var/lib/appliance-dnsmasq")
    folder.mkdir()
    shutil.chown(folder, "dnsmasq")


def has_way_out(client: Namespace) -> bool:
    """Whether a host has a default route for IPv6."""
    return bool(json.loads(client.program("ip", "-6", "-json", "route", "show", "default")))
