"""NetworkManager: which interfaces it leaves alone, and our profiles for an uplink that it looks after."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import pbkdf2_hmac, sha256
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from appliance.model import Appliance, Uplink, WifiNetwork
from firstboot.cable import BRIDGE
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered import dhcpcd
from firstboot.rendered.file import File, text
from firstboot.topology import is_static, uplink_of

CONFIG = ETC / "NetworkManager" / "conf.d" / "90-appliance.conf"
PROFILES = ETC / "NetworkManager" / "system-connections"
PROFILE = PROFILES / "appliance-uplink.nmconnection"
PROFILE_UUID = str(uuid5(NAMESPACE_DNS, "appliance-uplink"))
OWNED = (CONFIG, PROFILE, PROFILES / "appliance-wifi-*.nmconnection")

HIGHEST_PRIORITY = 999
"""The largest autoconnect-priority that NetworkManager takes (nm-settings-keyfile(5))."""


def ours(appliance: Appliance) -> Sequence[str]:
    """The interfaces that NetworkManager must leave alone."""
    uplink, lan = appliance.uplink, appliance.lan
    names = [tunnel.interface for tunnel in appliance.tunnels]
    if uplink is not None and is_static(uplink):
        names.append(uplink.interface)
    if lan is not None:
        names += [each.interface for each in lan.networks if uplink is None or each.interface != uplink.interface]
    if appliance.gadget is not None:
        names.append(BRIDGE)  # the ports it leaves alone by itself (85-nm-unmanaged.rules)
    return sorted(names)


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """Its configuration, and the profiles of an uplink that it looks after."""
    uplink = appliance.uplink
    config = render(
        "networkmanager.conf.j2",
        unmanaged=tuple(ours(appliance)),
        static=is_static(uplink),
        radio=uplink.interface if uplink is not None and uplink.wifi is not None else None,
    )
    return (text(CONFIG, config), *(_profiles(appliance, uplink) if uplink is not None else ()))


def profile_name(appliance: Appliance, network: WifiNetwork | None = None) -> str:
    """The name of a profile of ours: another for every content, so that the name tells which one is in force.

    Everybody may see it, so what stands for the passphrase in the digest is as costly to guess from as what
    an access point sends to everybody near it.
    """
    key = _costly(network.passphrase, network.ssid) if network is not None and network.passphrase else ""
    content = _profile(appliance, network, "", key)
    return f"appliance-uplink-{sha256(content.encode()).hexdigest()[:8]}"


def profile_uuid(network: WifiNetwork) -> str:
    """What identifies a wireless network's profile, whatever else of it changes."""
    return str(uuid5(NAMESPACE_DNS, f"appliance-uplink-{network.ssid}"))


def _profiles(appliance: Appliance, uplink: Uplink) -> Sequence[File]:
    if uplink.wifi is not None:
        return tuple(_wireless(appliance, network) for network in uplink.wifi.networks)
    if is_static(uplink):
        return ()
    return (text(PROFILE, _profile(appliance, None, profile_name(appliance), ""), 0o600),)


def _wireless(appliance: Appliance, network: WifiNetwork) -> File:
    content = _profile(appliance, network, profile_name(appliance, network), network.passphrase or "")
    return text(profile_path(network), content, 0o600)


def profile_path(network: WifiNetwork) -> Path:
    """Where a wireless network's profile is."""
    return PROFILES / f"appliance-wifi-{profile_uuid(network)}.nmconnection"


def _profile(appliance: Appliance, network: WifiNetwork | None, name: str, key: str) -> str:
    uplink = uplink_of(appliance)
    networks = uplink.wifi.networks if uplink.wifi is not None else ()
    return render(
        "uplink.nmconnection.j2",
        id=name,
        uuid=profile_uuid(network) if network is not None else PROFILE_UUID,
        priority=HIGHEST_PRIORITY - (networks.index(network) if network is not None else 0),
        uplink=uplink,
        network=network,
        ssid="".join(f"{byte};" for byte in network.ssid.encode()) if network is not None else "",
        key=_escaped(key),
        dns=tuple(address for address in uplink.dns if address.version == 4),
        ipv6_method="ignore" if appliance.tunnel or dhcpcd.has_uplink(appliance) else "auto",
    )


def _escaped(value: str) -> str:
    r"""A string as GLib's key files want it: there, space at the beginning is \s and a backslash is two."""
    return value.replace("\\", "\\\\").replace(" ", "\\s")


@lru_cache
def _costly(passphrase: str, ssid: str) -> str:
    """The key that WPA2 makes of a passphrase (IEEE 802.11, annex J.4)."""
    return pbkdf2_hmac("sha1", passphrase.encode(), ssid.encode(), 4096, 32).hex()
