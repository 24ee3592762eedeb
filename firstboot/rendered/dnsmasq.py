"""dnsmasq's configuration: DNS, DHCPv4, and router advertisements with SLAAC."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, kept, text
from firstboot.topology import awaits_lease, is_one_armed, own_address_in, own_ipv4, tunnel_mtu

CONFIG = ETC / "appliance" / "dnsmasq.conf"
OWNED = (CONFIG,)


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The private instance's configuration, where there is a LAN to serve."""
    lan, tunnel, uplink = appliance.lan, appliance.tunnel, appliance.uplink
    if lan is None or uplink is None:
        return ()
    if awaits_lease(appliance, facts):
        return (kept(CONFIG),)
    own = own_ipv4(appliance, facts)
    content = render(
        "dnsmasq.conf.j2",
        hostname=appliance.hostname,
        lan=lan,
        own_ipv4=own,
        own_ipv6=own_address_in(tunnel.routed) if tunnel else None,
        router_ipv4=uplink.gateway if is_one_armed(appliance) else own.ip if own else None,
        upstream=uplink.dns,
        upstream_is_public=all(server.is_global for server in uplink.dns),
        mtu=tunnel_mtu(appliance),
    )
    return (text(CONFIG, content),)
