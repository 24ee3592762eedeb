"""A second dnsmasq, which tells of no IPv6 addresses: the first one asks it for the domains of `tunnel.ipv4_only`.

dnsmasq leaves IPv6 addresses out of all its answers or of none (`filter-AAAA`), not for single domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text

CONFIG = ETC / "appliance" / "dnsmasq-ipv4-only.conf"
LOADED = Path("/run/appliance-dnsmasq-ipv4-only/dnsmasq.conf")
"""The copy that the unit makes when it starts, and that the process read."""

OWNED = (CONFIG,)


@dataclass(frozen=True)
class Server:
    """Where a DNS server listens."""

    ip: IPv4Address
    port: int


SERVER = Server(IPv4Address("127.0.0.1"), 1053)
"""Only the Pi itself gets there; 5353 would be that of mDNS."""


def domains(appliance: Appliance) -> tuple[str, ...]:
    """Those whose names have no IPv6 addresses on the networks that are served."""
    return appliance.tunnel.ipv4_only if appliance.tunnel is not None else ()


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """Its configuration, where there are such domains: it asks whom the first one asks."""
    if not domains(appliance):
        return ()
    upstream = appliance.uplink.dns if appliance.uplink is not None else ()
    return (text(CONFIG, render("dnsmasq-ipv4-only.conf.j2", server=SERVER, upstream=upstream)),)
