"""A pytest plugin: a Debian of each release that the packages are for, with the daemon's, made once.

The other packages lie in its root folder, and what they need is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from image.deb import builder, daemon, profiles
from image.run import run

EPOCH = 1_700_000_000
RELEASES = ("bookworm", "trixie")
DHCP_CLIENT = {"bookworm": "isc-dhcp-client", "trixie": "dhcpcd-base"}
"""The one that each release's installer brings."""

_ALREADY = ["init-system-helpers", "dbus", "iproute2", "systemd-sysv", "udev"]
_LATER = ["ifupdown", "netplan.io", "network-manager"]
"""To be installed without a network."""

_APART = ["unshare", "--mount"]
"""What is bound of this machine's /dev ends with the program, even if it is killed: whoever clears the folder away
later would delete through that.
"""

_INSTALL = 'chroot "$1" apt-get install --yes --no-install-recommends'


BUILDER, GATEWAY, GADGET = "builder.deb", "appliance-gateway.deb", "appliance-gadget.deb"
"""The other packages, in a root's root folder."""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The daemon's Debian package."""
    return daemon.build(tmp_path_factory.mktemp("deb"), epoch=EPOCH)


@pytest.fixture(scope="session")
def gateway_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the profile gateway."""
    return profiles.build("gateway", tmp_path_factory.mktemp("deb"), epoch=EPOCH)


@pytest.fixture(scope="session")
def gadget_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the profile gadget."""
    return profiles.build("gadget", tmp_path_factory.mktemp("deb"), epoch=EPOCH)


@pytest.fixture(scope="session")
def builder_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The builder's."""
    return builder.build(tmp_path_factory.mktemp("deb"), epoch=EPOCH)


@pytest.fixture(scope="session")
def debian_root(
    package: Path,
    builder_package: Path,
    gateway_package: Path,
    gadget_package: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """A root of a release with the daemon's package and what it needs.

    It is to be copied (`copied`), not changed.
    """
    if os.geteuid() != 0:
        pytest.skip("another root needs root")

    @cache
    def made(release: str) -> Path:
        root = tmp_path_factory.mktemp(release) / "root"
        hooks = [
            f"--customize-hook=upload {package} /appliance.deb",
            f"--customize-hook={_INSTALL} /appliance.deb",
            f"--customize-hook={_INSTALL} --download-only {' '.join([*_LATER, DHCP_CLIENT[release]])}",
            *_beside(builder_package, BUILDER),
            *_beside(gateway_package, GATEWAY),
            *_beside(gadget_package, GADGET),
        ]
        included = f"--include={','.join(_ALREADY)}"
        command = [*_APART, "mmdebstrap", "--variant=apt", "--skip=cleanup/apt", included, *hooks]
        run([*command, release, root])
        return root

    return made


def _beside(package: Path, name: str) -> Iterator[str]:
    yield f"--customize-hook=upload {package} /{name}"
    yield f"--customize-hook={_INSTALL} --download-only /{name}"


def copied(root: Path, to: Path) -> Path:
    """Another root that is the same."""
    run(["cp", "--archive", root, to])
    return to
