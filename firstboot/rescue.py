"""A way in where no configuration can be used: for whoever has the ssh keys."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.model import Appliance, Gadget, Profile, Ssh, Uplink
from appliance.salvage import salvage
from firstboot.facts import Link
from firstboot.paths import CONFIG_NAME

FIRST_WIRED = "eth0"


def rescue(
    data: bytes, links: Mapping[str, Link], installed_keys: tuple[str, ...], *, made_for_gadget: bool
) -> Appliance:
    """A way in for whoever has the ssh keys that can be read from a broken file, or else those of before.

    It is the network of the wire, by DHCP, or the wireless one that the file names; a gadget's is the cable. Where the
    file does not say whether it is one, the image does: a Pi Zero has no wire.
    """
    saved = salvage(data, CONFIG_NAME)
    is_gadget = made_for_gadget if saved.gadget is None else saved.gadget
    uplink = saved.uplink if saved.uplink is not None and saved.uplink.interface in links else _wired(links)
    return Appliance(
        profile=Profile.GADGET if is_gadget else Profile.GATEWAY,
        hostname=saved.hostname or "appliance",
        ssh=Ssh(authorized_keys=saved.authorized_keys or installed_keys),
        uplink=uplink,
        gadget=Gadget() if is_gadget else None,
    )


def _wired(links: Mapping[str, Link]) -> Uplink:
    wired = sorted(name for name, link in links.items() if not link.kind and name.startswith("e"))
    return Uplink(interface=wired[0] if wired else FIRST_WIRED)
