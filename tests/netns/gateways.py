"""A gateway that lives in a network namespace, as far as it can without systemd."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.netns.namespace import Namespace
from tests.netns.ufw_files import own_lock

NOT_HERE = ("hostname", "tunnel", "tunnel-sysctls", "reach", "units", "dhcpcd", "withdrawal", "cable", "status-page")
"""Kinds that need systemd, or a module that not every kernel has: they are tried in the image."""

ETC = Path(__file__).parents[2] / "overlays" / "base" / "etc"


def lay_wires(namespace: Namespace) -> None:
    """The uplink's, and one that is the tunnel to the kinds that only put something on it."""
    for name in ("eth0", "he-ipv6"):
        namespace.program("ip", "link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
        namespace.program("ip", "link", "set", f"far-{name}", "up")
    namespace.program("ip", "link", "set", "he-ipv6", "up")


def give_ufw_files(namespace: Namespace) -> None:
    """Those of the image over the package's, in an /etc that is the namespace's own."""
    own_lock(namespace)
    namespace.call(shutil.copytree, ETC / "ufw", "/etc/ufw", dirs_exist_ok=True)
    namespace.call(shutil.copy, ETC / "default" / "ufw", "/etc/default/ufw")
