"""A booted Debian for each network manager, as that release's installer or cloud image sets it up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.run import run
from tests.debians import DHCP_CLIENT, RELEASES, copied
from tests.firstboot.conftest import EXAMPLES
from tests.managers.debian import Debian, prepare

CLOUD = """\
network:
  version: 2
  ethernets:
    all-en:
      match: {name: en*}
      dhcp4: true
      dhcp4-overrides: {use-domains: true}
      dhcp6: true
      dhcp6-overrides: {use-domains: true}
"""
"""/etc/netplan/90-default.yaml of Debian's cloud images."""

INSTALLERS = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug enp0s3
iface enp0s3 inet dhcp
"""
"""/etc/network/interfaces, as the installer writes it."""

NETWORKD = "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n"


@dataclass(frozen=True)
class Manager:
    """A manager's packages, its units that Debian does not enable, and the files that are there before us."""

    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


MANAGERS = {
    "networkd": Manager((), ("systemd-networkd.service",), (("etc/systemd/network/wired.network", NETWORKD),)),
    "netplan": Manager(("netplan.io",), ("systemd-networkd.service",), (("etc/netplan/90-default.yaml", CLOUD),)),
    "networkmanager": Manager(("network-manager",)),
    "ifupdown": Manager(("ifupdown",), (), (("etc/network/interfaces", INSTALLERS),)),
}


@pytest.fixture(
    scope="module", params=[(release, manager) for manager in MANAGERS for release in RELEASES], ids="-".join
)
def debian(
    request: pytest.FixtureRequest, debian_root: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Debian]:
    """It is booted with the example as it stands."""
    release, manager = request.param
    folder = tmp_path_factory.mktemp(f"{release}-{manager}")
    root = copied(debian_root(release), folder / "root")
    install(root, manager, DHCP_CLIENT[release])
    (root / "etc/appliance/appliance.yaml").write_bytes((EXAMPLES / "uplinks.yaml").read_bytes())
    prepare(root)
    booted = Debian(root, folder / "log", manager)
    try:
        booted.wait()
        yield booted
    finally:
        booted.close()
        shutil.rmtree(root)


def install(root: Path, name: str, dhcp_client: str) -> None:
    """What is to be found on a machine with that manager."""
    manager = MANAGERS[name]
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    if manager.packages:
        packages = [*manager.packages, *([dhcp_client] if name == "ifupdown" else [])]
        run(["chroot", root, "apt-get", "install", "--yes", "--no-install-recommends", "--no-download", *packages])
    policy.unlink()
    for path, content in manager.files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
        (root / path).chmod(0o600 if "netplan" in path else 0o644)
    for unit in manager.units:
        run(["systemctl", f"--root={root}", "enable", unit])
