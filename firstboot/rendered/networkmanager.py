"""NetworkManager: which interfaces it leaves alone, and our profile for an uplink that it looks after."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from uuid import NAMESPACE_DNS, uuid5

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text
from firstboot.topology import is_static, uplink_of

PROFILE_UUID = str(uuid5(NAMESPACE_DNS, "appliance-uplink"))
CONFIG = ETC / "NetworkManager" / "conf.d" / "90-appliance.conf"
PROFILE = ETC / "NetworkManager" / "system-connections" / "appliance-uplink.nmconnection"
OWNED = (CONFIG, PROFILE)


def ours(appliance: Appliance) -> Sequence[str]:
    """The interfaces that NetworkManager must leave alone."""
    uplink, lan, tunnel = appliance.uplink, appliance.lan, appliance.tunnel
    names = [tunnel.interface] if tunnel is not None else []
    if uplink is not None and is_static(uplink):
        names.append(uplink.interface)
    if lan is not None and (uplink is None or lan.interface != uplink.interface):
        names.append(lan.interface)
    return sorted(names)


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """Its configuration, and with DHCP the uplink's profile."""
    uplink = appliance.uplink
    if uplink is None:
        return ()
    config = render("networkmanager.conf.j2", unmanaged=tuple(ours(appliance)), static=is_static(uplink))
    if is_static(uplink):
        return (text(CONFIG, config),)
    return (text(CONFIG, config), text(PROFILE, _profile(appliance, profile_name(appliance)), 0o600))


def profile_name(appliance: Appliance) -> str:
    """The name of our profile: another for every content, so that the name tells which one is in force."""
    return f"appliance-uplink-{sha256(_profile(appliance, '').encode()).hexdigest()[:8]}"


def _profile(appliance: Appliance, name: str) -> str:
    uplink = uplink_of(appliance)
    return render(
        "uplink.nmconnection.j2",
        id=name,
        uuid=PROFILE_UUID,
        uplink=uplink,
        dns=tuple(address for address in uplink.dns if address.version == 4),
        ipv6_method="ignore" if appliance.tunnel else "auto",
    )
