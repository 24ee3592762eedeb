from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import InputError
from image.fingerprint import Found, System, identify
from image.layout import FirstBoot

DPKG = "Package: zlib1g\nArchitecture: armhf\n\nPackage: dpkg\nStatus: install ok installed\nArchitecture: arm64\n"
FSTAB = (
    "proc /proc proc defaults 0 0\nPARTUUID=4e2bb2ac-01  {}  vfat  defaults  0  2\nPARTUUID=4e2bb2ac-02 / ext4 x 0 1\n"
)
CONSOLE = "console=serial0,115200 console=tty1 root=PARTUUID=4e2bb2ac-02 rootfstype=ext4 fsck.repair=yes rootwait"

BOOKWORM = Found(
    os_release='PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n',
    fstab=FSTAB.format("/boot/firmware"),
    dpkg_status=DPKG,
    cmdline=CONSOLE + " quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
    boot_files=frozenset({"cmdline.txt", "config.txt", "kernel8.img"}),
    partuuid="4e2bb2ac-01",
)
TRIXIE = replace(
    BOOKWORM,
    os_release='PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n',
    cmdline=CONSOLE + " resize\n",
    boot_files=frozenset({"cmdline.txt", "config.txt", "meta-data", "user-data", "network-config"}),
)
UPGRADED = replace(
    BOOKWORM,
    fstab=FSTAB.format("/boot          "),
    cmdline=CONSOLE + " init=/usr/lib/raspi-config/init_resize.sh\n",
)
"""Laid out as bullseye was."""
BULLSEYE = replace(
    UPGRADED, os_release='PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nVERSION_CODENAME=bullseye\nID=debian\n'
)
OURS = replace(TRIXIE, cmdline=CONSOLE, boot_files=frozenset({"cmdline.txt", "appliance.yaml"}))


@pytest.mark.parametrize(
    ("found", "release", "mount", "first_boot"),
    [
        (BOOKWORM, "bookworm", "boot/firmware", FirstBoot.FIRSTBOOT),
        (TRIXIE, "trixie", "boot/firmware", FirstBoot.CLOUD_INIT),
        (UPGRADED, "bookworm", "boot", FirstBoot.RESIZE),
        (OURS, "trixie", "boot/firmware", FirstBoot.NONE),
    ],
    ids=["bookworm", "trixie", "as bullseye", "ours"],
)
def test_every_base_that_we_know(found: Found, release: str, mount: str, first_boot: FirstBoot) -> None:
    assert identify(found) == System(release=release, architecture="arm64", boot_mount=mount, first_boot=first_boot)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(TRIXIE, os_release='ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n'), "Fedora Linux 41"),
        (replace(TRIXIE, os_release=""), "no /etc/os-release"),
        (replace(TRIXIE, os_release="ID=debian\nVERSION_CODENAME=buster\n"), "'buster'"),
        (BULLSEYE, "the release bullseye, whose Python 3.9 is too old"),
        (replace(TRIXIE, dpkg_status=DPKG.replace("arm64", "armhf")), "armhf, not arm64"),
        (replace(TRIXIE, dpkg_status=""), "unknown, not arm64"),
        (replace(TRIXIE, fstab="/dev/sda1 / ext4 defaults 0 1\n"), "no FAT file system is in it"),
        (replace(TRIXIE, fstab="PARTUUID=00000000-01 /boot vfat x 0 0\n"), "PARTUUID=00000000-01 on /boot"),
        (replace(TRIXIE, fstab="PARTUUID=4e2bb2ac-01 /efi vfat x 0 0\n"), "on /efi"),
    ],
    ids=[
        "fedora",
        "nothing",
        "buster",
        "bullseye",
        "32-bit",
        "no dpkg",
        "no fat",
        "another partition",
        "another place",
    ],
)
def test_anything_else_is_refused_with_what_was_found(found: Found, said: str) -> None:
    with pytest.raises(InputError) as caught:
        identify(found)
    assert said in caught.value.message
    assert "Raspberry Pi OS" in caught.value.hint
