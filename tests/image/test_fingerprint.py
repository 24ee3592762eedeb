from __future__ import annotations

import re
from dataclasses import replace

import pytest

from appliance.errors import InputError
from image.boards import ARM64, ARMV6, Kind
from image.disk.layout import FirstBoot
from image.fingerprint import Found, System, identify

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
RASPBIAN = replace(
    TRIXIE,
    os_release='PRETTY_NAME="Raspbian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=raspbian\n',
    dpkg_status=DPKG.replace("arm64", "armhf"),
)
"""Raspberry Pi OS (32-bit): compiled for ARMv6."""
DEBIAN_ARMHF = replace(TRIXIE, dpkg_status=DPKG.replace("arm64", "armhf"))
"""The same architecture by name, compiled for ARMv7."""
OURS = replace(TRIXIE, cmdline=CONSOLE, boot_files=frozenset({"cmdline.txt", "appliance.yaml"}))

OURS_ARMV6 = replace(OURS, dpkg_status=DPKG.replace("arm64", "armel"))


@pytest.mark.parametrize(
    ("found", "kind", "release", "mount", "first_boot"),
    [
        (BOOKWORM, ARM64, "bookworm", "boot/firmware", FirstBoot.FIRSTBOOT),
        (TRIXIE, ARM64, "trixie", "boot/firmware", FirstBoot.CLOUD_INIT),
        (UPGRADED, ARM64, "bookworm", "boot", FirstBoot.RESIZE),
        (OURS, ARM64, "trixie", "boot/firmware", FirstBoot.NONE),
        (RASPBIAN, ARMV6, "trixie", "boot/firmware", FirstBoot.CLOUD_INIT),
        (OURS_ARMV6, ARMV6, "trixie", "boot/firmware", FirstBoot.NONE),
    ],
    ids=["bookworm", "trixie", "as bullseye", "ours", "Raspbian", "ours for the Zero"],
)
def test_every_base_that_we_know(found: Found, kind: Kind, release: str, mount: str, first_boot: FirstBoot) -> None:
    assert identify(found, kind) == System(release=release, boot_mount=mount, first_boot=first_boot)


@pytest.mark.parametrize(
    ("found", "kind", "said"),
    [
        (TRIXIE, ARMV6, "is debian arm64; the board needs debian armel or raspbian armhf"),
        (DEBIAN_ARMHF, ARMV6, "is debian armhf; the board needs debian armel or raspbian armhf"),
        (RASPBIAN, ARM64, "is raspbian armhf; the board needs debian arm64"),
        (DEBIAN_ARMHF, ARM64, "is debian armhf; the board needs debian arm64"),
        (OURS_ARMV6, ARM64, "is debian armel; the board needs debian arm64"),
        (replace(TRIXIE, dpkg_status=""), ARM64, "is debian (of an unknown architecture); the board needs"),
    ],
)
def test_a_base_for_another_processor_is_refused(found: Found, kind: Kind, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        identify(found, kind)
    assert kind.base_hint in caught.value.hint


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(TRIXIE, os_release='ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n'), "Fedora Linux 41"),
        (replace(TRIXIE, os_release=""), "no /etc/os-release"),
        (replace(TRIXIE, os_release="ID=debian\nVERSION_CODENAME=buster\n"), "'buster'"),
        (BULLSEYE, "the release bullseye, whose Python 3.9 is too old"),
        (replace(TRIXIE, fstab="/dev/sda1 / ext4 defaults 0 1\n"), "no FAT file system is in it"),
        (replace(TRIXIE, fstab="PARTUUID=00000000-01 /boot vfat x 0 0\n"), "PARTUUID=00000000-01 on /boot"),
        (replace(TRIXIE, fstab="PARTUUID=4e2bb2ac-01 /efi vfat x 0 0\n"), "on /efi"),
    ],
    ids=[
        "fedora",
        "nothing",
        "buster",
        "bullseye",
        "no fat",
        "another partition",
        "another place",
    ],
)
def test_anything_else_is_refused_with_what_was_found(found: Found, said: str) -> None:
    with pytest.raises(InputError) as caught:
        identify(found, ARM64)
    assert said in caught.value.message
    assert "Raspberry Pi OS" in caught.value.hint
