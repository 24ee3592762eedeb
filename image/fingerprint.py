"""Recognises a base: which system is on it, and how that prepares itself on its first boot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.errors import InputError
from image.boards import Kind
from image.debian import dpkg_status
from image.disk.layout import FirstBoot

RELEASES = ("bookworm", "trixie")
TOO_OLD = {"bullseye": "3.9"}
"""Releases that are recognised, and their Python: the daemon needs 3.11."""
MOUNTS = ("boot/firmware", "boot")

FIRST_BOOT_PROGRAMS = {
    "/usr/lib/raspberrypi-sys-mods/firstboot": FirstBoot.FIRSTBOOT,
    "/usr/lib/raspi-config/init_resize.sh": FirstBoot.RESIZE,
}

HINT = "a base is {system} or an image that `appliance build` made for the same boards, of " + ", ".join(RELEASES)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The texts in a base that tell what it is; empty where a file does not exist."""

    os_release: str
    fstab: str
    dpkg_status: str
    cmdline: str
    boot_files: frozenset[str]
    """Names on the FAT partition."""
    partuuid: str
    """Of the FAT partition."""


@dataclass(frozen=True, kw_only=True)
class System:
    """What a base is."""

    release: str
    boot_mount: str
    first_boot: FirstBoot


def identify(found: Found, kind: Kind) -> System:
    """Say what a base is. Raises InputError, with what was found, if no image of that kind can be made of it."""
    hint = HINT.format(system=kind.base_hint)
    fields = dict(line.split("=", 1) for line in found.os_release.splitlines() if "=" in line)
    system, release = (fields.get(name, "").strip('"') for name in ("ID", "VERSION_CODENAME"))
    if system not in ("debian", "raspbian"):
        what = fields.get("PRETTY_NAME", "").strip('"') or system
        raise InputError(
            f"the base is not Debian or Raspberry Pi OS, but {what or 'has no /etc/os-release'}", hint=hint
        )
    if release in TOO_OLD:
        raise InputError(
            f"the base is of the release {release}, whose Python {TOO_OLD[release]} is too old: "
            "what runs on the Pi needs Python 3.11",
            hint=hint,
        )
    if release not in RELEASES:
        raise InputError(f"the base is of the release {release or 'unknown'!r}", hint=hint)
    if (system, own := dpkg_status.architecture(found.dpkg_status)) not in kind.systems:
        expected = " or ".join(" ".join(words) for words in kind.systems)
        raise InputError(
            f"the base is {system} {own or '(of an unknown architecture)'}; the board needs {expected}", hint=hint
        )
    return System(
        release=release,
        boot_mount=_boot_mount(found, hint),
        first_boot=_first_boot(found),
    )


def _boot_mount(found: Found, hint: str) -> str:
    """Where the FAT partition is mounted, relative to the root."""
    seen = []
    for line in found.fstab.splitlines():
        device, mount, kind = [*line.split(), "", "", ""][:3]
        if line.startswith("#") or kind not in ("vfat", "msdos"):
            continue
        seen.append(f"{device} on {mount}")
        name = str(PurePosixPath(mount).relative_to("/")) if mount.startswith("/") else mount
        if (
            device.lower() in (f"partuuid={found.partuuid}", "label=bootfs", "label=boot", "/dev/mmcblk0p1")
            and name in MOUNTS
        ):
            return name
    raise InputError(
        f"the base's /etc/fstab does not say where the FAT partition (PARTUUID {found.partuuid}) is mounted: "
        f"{'; '.join(seen) or 'no FAT file system is in it'}",
        hint=hint,
    )


def _first_boot(found: Found) -> FirstBoot:
    words = found.cmdline.split()
    for word in words:
        if word.startswith("init=") and (program := FIRST_BOOT_PROGRAMS.get(word.removeprefix("init="))):
            return program
    if "resize" in words or {"user-data", "meta-data"} <= found.boot_files:
        return FirstBoot.CLOUD_INIT
    return FirstBoot.NONE
