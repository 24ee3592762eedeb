"""NetworkManager on the cable: it leaves the cable alone, but where the laptop shares its Internet, it is a client."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from appliance.model import Appliance
from firstboot.cable import BRIDGE, foreseen, segments
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, text
from firstboot.sharing import Mode, mode_on

CONFIG = ETC / "NetworkManager" / "conf.d" / "91-appliance-cable.conf"
CABLE = (BRIDGE, "usb0", "usb1")
"""Whatever the cable's interfaces may be called."""


def path_of(interface: str) -> Path:
    """The profile by which the Pi is a client on an interface of the cable."""
    return ETC / "NetworkManager" / "system-connections" / f"appliance-{interface}.nmconnection"


OWNED = (CONFIG, *map(path_of, CABLE))


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """What NetworkManager is to leave alone, and the profiles of the interfaces on which the laptop is the server."""
    if appliance.gadget is None:
        return ()
    facts = foreseen(appliance, facts)
    names = [segment.interface for segment in segments(appliance, facts)]
    clients = client_interfaces(appliance, facts)
    config = render("networkmanager-cable.conf.j2", unmanaged=tuple(name for name in names if name not in clients))
    profiles = [text(path_of(name), _profile(name, profile_name(name)), 0o600) for name in clients]
    return (text(CONFIG, config), *profiles)


def client_interfaces(appliance: Appliance, facts: Facts) -> Sequence[str]:
    """The cable's interfaces on which the laptop is the server."""
    return [
        segment.interface for segment in segments(appliance, facts) if mode_on(segment, appliance, facts) is Mode.HOST
    ]


def profile_name(interface: str) -> str:
    """The profile's name: another for every content, so that the name tells which one is in force."""
    return f"appliance-{interface}-{sha256(_profile(interface, '').encode()).hexdigest()[:8]}"


def profile_uuid(interface: str) -> str:
    """What NetworkManager knows the profile by."""
    return str(uuid5(NAMESPACE_DNS, f"appliance-{interface}"))


def _profile(interface: str, name: str) -> str:
    return render(
        "cable.nmconnection.j2",
        id=name,
        uuid=profile_uuid(interface),
        interface=interface,
        type="bridge" if interface == BRIDGE else "ethernet",
    )
