"""A LAN that a daemon serves by the image's own units, beside a `TunnelSite`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from firstboot.resources.status_page import LIGHTTPD
from firstboot.resources.units import DNSMASQ
from tests.netns.gadget_site import UnitFiles
from tests.netns.gateways import give_ufw_files
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.tunnel_site import OWN, PI, ROUTED, ROUTER, SERVER, TunnelSite

NOT_HERE = ("hostname", "tunnel", "tunnel-sysctls", "dhcpcd", "status-page")
"""Kinds that need more of systemd, or a module that not every kernel has."""
LAN, HOST = "192.168.2.1", "192.168.2.50"
CONFIG = f"""
profile: gateway
hostname: ipv6gw
ssh: {{authorized_keys: []}}
uplink: {{interface: eth0, address: {PI}/24, gateway: {ROUTER}, dns: [1.1.1.1]}}
tunnel: {{server: {SERVER}, address: "{OWN}/64", routed: "{ROUTED}"}}
lan: {{interface: lan0, address: {LAN}/24, dhcp4: {{range: 192.168.2.100-192.168.2.200}}}}
"""


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


@contextmanager
def lan_daemon(site: TunnelSite, folder: Path, config: str, *, without: Sequence[str] = NOT_HERE) -> Iterator[Living]:
    """The daemon that will serve it, not begun yet; `folder` is its card. Its units end with the block."""
    give_the_lan(site)
    bus = Bus()
    living = Living(site.pi, folder, config, without=without, bus=bus)
    give_ufw_files(site.pi)
    site.pi.call(give_dnsmasq_its_folder)
    yield living
    for unit in (LIGHTTPD, DNSMASQ):
        site.pi.call(bus.stop_unit, unit)


def has_way_out(client: Namespace) -> bool:
    """Whether a host has a default route for IPv6."""
    return bool(json.loads(client.program("ip", "-6", "-json", "route", "show", "default")))
