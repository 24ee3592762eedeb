"""Where the Pi itself asks for names, when no DHCP tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.rendered.file import File, text
from firstboot.topology import is_static

OWNED: tuple[Path, ...] = ()
MARK = "# Written by the appliance.\n"


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """/etc/resolv.conf, with a static uplink that names its DNS servers."""
    uplink = appliance.uplink
    if uplink is None or not is_static(uplink) or not uplink.dns:
        return ()
    lines = [f"search {appliance.lan.domain}"] if appliance.lan else []
    lines += [f"nameserver {server}" for server in uplink.dns]
    return (text(ETC / "resolv.conf", MARK + "\n".join(lines) + "\n"),)
