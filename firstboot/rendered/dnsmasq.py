"""dnsmasq's configuration: DNS, DHCPv4, and router advertisements with SLAAC."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC, RUN
from firstboot.render import render
from firstboot.rendered.file import File, kept, text
from firstboot.served import Served, served, served_at_boot
from firstboot.topology import awaits_lease

CONFIG = ETC / "appliance" / "dnsmasq.conf"
"""What holds from power-on until the daemon knows more."""

IN_FORCE = RUN / "dnsmasq.conf"
"""What holds now: gone with the power, as what was offered may not be true any more."""

OWNED = (CONFIG, IN_FORCE)

LAN_LEASES = "/var/lib/appliance-dnsmasq/leases"
CABLE_LEASES = "/run/appliance-dnsmasq/leases"


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The private instance's configuration at boot and now, where there is a network to serve."""
    if awaits_lease(appliance, facts):
        return (kept(CONFIG), kept(IN_FORCE))
    at_boot, now = served_at_boot(appliance, facts), served(appliance, facts)
    found = [text(CONFIG, _rendered(appliance, at_boot))] if at_boot else []
    if now is None:
        return (*found, kept(IN_FORCE))
    return (*found, text(IN_FORCE, _rendered(appliance, now))) if now else tuple(found)


def _rendered(appliance: Appliance, networks: Sequence[Served]) -> str:
    upstream = appliance.uplink.dns if appliance.uplink is not None else ()
    return render(
        "dnsmasq.conf.j2",
        hostname=appliance.hostname,
        networks=tuple(networks),
        upstream=upstream,
        # Who the DNS servers are that DHCP tells of, nobody knows: a home's own may name the home's own.
        upstream_is_public=bool(upstream) and all(server.is_global for server in upstream),
        leases=LAN_LEASES if appliance.lan is not None else CABLE_LEASES,
    )
