"""dhcpcd's configuration: what is asked of others for the cable's sake.

In `route` all of the uplink's IPv6, and a prefix that the laptop can have addresses of (RFC 8415, 6.3; NetworkManager
asks for one only where it shares a connection itself). In `host` everything, of the laptop: NetworkManager would take
the bridge's ports away when it takes the bridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.model import Appliance, Share
from firstboot.cable import foreseen
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered import resolver
from firstboot.rendered.file import File, text
from firstboot.sharing import Mode, segments_in

CONFIG = ETC / "appliance" / "dhcpcd.conf"
OWNED = (CONFIG,)

LOADED = Path("/run/appliance-dhcpcd/dhcpcd.conf")
"""The copy that the unit makes when it starts, and that the process read."""

METRIC = 50
"""Better than NetworkManager's (100 and more): where the laptop shares, that is the way out."""


def has_uplink(appliance: Appliance) -> bool:
    """Whether all of the uplink's IPv6 is dhcpcd's, as far as a laptop may be given some of it.

    There is one port for DHCPv6, and who asks for a prefix by it must be the one who asks for all else.
    """
    gadget = appliance.gadget
    shares = gadget is not None and gadget.share in (Share.ROUTE, Share.AUTO)
    return shares and appliance.uplink is not None and appliance.tunnel is None


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The configuration, where there is something to ask for."""
    facts = foreseen(appliance, facts)
    clients, routed = (
        tuple(segment.interface for segment in segments_in(appliance, facts, mode)) for mode in (Mode.HOST, Mode.ROUTE)
    )
    if not has_uplink(appliance):
        routed = ()
    if not clients and not routed:
        return ()
    uplink = appliance.uplink.interface if appliance.uplink is not None and routed else None
    content = render(
        "dhcpcd.conf.j2",
        interfaces=(*([uplink] if uplink else []), *routed, *clients),
        uplink=uplink,
        routed=routed,
        clients=clients,
        metric=METRIC,
        resolver_is_ours=bool(resolver.files(appliance, facts)),
    )
    return (text(CONFIG, content),)
