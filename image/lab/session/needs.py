"""What the lab needs of the machine that it is on, told all at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from appliance.errors import InputError
from image.run import search_path

PROGRAMS = {
    "conntrack": "conntrack",
    "curl": "curl",
    "dhclient": "isc-dhcp-client",
    "dnsmasq": "dnsmasq-base",
    "fdtput": "device-tree-compiler",
    "ip": "iproute2",
    "mcopy": "mtools",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "ping": "iputils-ping",
    "qemu-system-aarch64": "qemu-system-arm",
    "sfdisk": "fdisk",
    "unshare": "util-linux",
}
"""Program: the Debian package that has it."""


def check() -> None:
    """Raise InputError if something is not installed."""
    path = search_path(os.environ.get("PATH", ""))
    absent = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if absent:
        raise missing(absent)


def missing(programs: Sequence[str]) -> InputError:
    """The error for programs that are not installed."""
    packages = sorted({PROGRAMS[program] for program in programs})
    return InputError(f"not installed: {', '.join(programs)}", hint=f"sudo apt-get install {' '.join(packages)}")
