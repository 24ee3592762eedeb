"""Makes the `debian` base: a bootable Debian, laid out as Raspberry Pi OS is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import PermanentError
from image.cache.code import code_of
from image.debian import dpkg, dpkg_status, packages
from image.disk import layout
from image.inside import tidy
from image.inside.chroot import Chroot
from image.inside.mounts import bound
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import index, native
from image.stages.index import packages_from

CODE = code_of(__file__)

ESSENTIAL = ("?essential", "base-files", "base-passwd")
REQUIRED = "?priority(required)"

FSTAB = """\
proc            /proc           proc    defaults          0       0
PARTUUID={boot}  /boot/firmware  vfat    defaults          0       2
PARTUUID={root}  /               ext4    defaults,noatime  0       1
"""

# Read by raspi-firmware's hook, which writes cmdline.txt and config.txt at every kernel update.
# serial0 is what the Pi's firmware calls its serial port and replaces by the kernel's name; ttyS1 is
# that name on the Pi 3 and 4 for a kernel which was not started by it.
# A fixed CMA area keeps a Pi 4 from booting, the hook says; one image serves all boards.
FIRMWARE_SETTINGS = """
ROOTPART="PARTUUID={root} rootfstype=ext4"
CMA=0
CONSOLES="serial0,115200 ttyS1,115200 tty1"
"""

DPKG_EXCLUDES = """\
# Keeps the card small. Remove this file to get manuals and translations with future updates.
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
"""

USER_GROUPS = (
    "adm",
    "dialout",
    "cdrom",
    "sudo",
    "audio",
    "video",
    "plugdev",
    "games",
    "users",
    "input",
    "render",
    "netdev",
)

HOST_KEYS = tuple(f"etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519"))

MADE_ON_FIRST_BOOT = ("etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed")


def stage(recipe: Recipe) -> Stage:
    """Makes the root file system out of packages."""
    architecture = recipe.kind.debian
    inputs = {
        "packages": packages.debian_base(architecture),
        "device_trees": packages.DEVICE_TREES[architecture],
        "architecture": architecture,
        "environment": dict(recipe.kind.environment),
    }
    return Stage("bootstrap", Makes.ROOT, ("index", native.NAME), inputs, _make, CODE)


def _make(work: Work) -> None:
    root = work.result
    architecture = work.recipe.kind.debian
    _lay_out(root)
    apt = packages_from(work, root / "var/lib/dpkg/status")
    everything = apt.download([*ESSENTIAL, REQUIRED, *packages.debian_base(architecture)])
    essential = apt.download(ESSENTIAL)
    _extract_essential(essential, root)
    with native.entered(work) as inside:
        dpkg.unpack(_first_things_first(essential), inside)
        dpkg.configure(inside)
        dpkg.unpack([package for package in everything if package not in essential], inside)
        dpkg.configure(inside, env={"INITRD": "No"})  # once, when everything that goes into it is there
        with inside.lent(), _modules_in_memory(inside):
            _make_bootable(inside)
            _add_user(inside)
    _write_sources(work)
    _make_unique_later(root)
    tidy.tidy(root)
    _check(root, packages.DEVICE_TREES[architecture])


def _lay_out(root: Path) -> None:
    """What must exist before the first package does."""
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "etc/dpkg/dpkg.cfg.d", "boot/firmware"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for file in ("var/lib/dpkg/status", "var/lib/dpkg/available"):
        (root / file).touch()
    names = {"boot": layout.DEBIAN.partuuid(1), "root": layout.DEBIAN.partuuid(2)}
    (root / "etc/fstab").write_text(FSTAB.format(**names))
    (root / "etc/dpkg/dpkg.cfg.d/small-card").write_text(DPKG_EXCLUDES)
    # Which fsck goes into the initrd; else its hook looks at the device, which is not there yet.
    (root / "etc/initramfs-tools/conf.d").mkdir(parents=True)
    (root / "etc/initramfs-tools/conf.d/root-type").write_text("FSTYPE=ext4\n")
    # No host keys are made, which takes minutes, where files of that name are; they are taken out again at the end.
    (root / "etc/ssh").mkdir()
    for name in HOST_KEYS:
        (root / name).touch()
    (root / "etc/hostname").write_text("appliance\n")
    (root / "etc/hosts").write_text(
        "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tappliance\n"
    )


def _extract_essential(essential: Sequence[Path], root: Path) -> None:
    """Files without scripts, so that there is a shell for the scripts to run in."""
    for package in _first_things_first(essential):
        dpkg.extract(package, root)


def _first_things_first(essential: Sequence[Path]) -> list[Path]:
    """base-files makes the symbolic links that others' files go through; base-passwd the users they belong to."""
    first = ("base-files_", "base-passwd_")
    return sorted(essential, key=lambda file: (not file.name.startswith(first), file.name))


@contextmanager
def _modules_in_memory(inside: Chroot) -> Iterator[None]:
    """The kernel's modules on a tmpfs: on ext4, an emulated 32-bit dracut-install misses most of them, silently.

    It reads folders by functions that have 32 bits for a place in a folder. For the kernel, the emulator is a program
    of 64 bits, which gets ext4's hashes as places; what does not fit ends the folder. A tmpfs counts from one.
    """
    if inside.tools is not None:
        yield
        return
    modules, copy = inside.root / "usr/lib/modules", inside.root / "run/modules"
    shutil.copytree(modules, copy, symlinks=True)
    with bound(copy, modules):
        yield
    shutil.rmtree(copy)


def _make_bootable(inside: Chroot) -> None:
    """Make the initrd; its hook then copies it to the FAT partition, and writes cmdline.txt and config.txt."""
    settings = inside.root / "etc/default/raspi-firmware"
    settings.write_text(settings.read_text() + FIRMWARE_SETTINGS.format(root=layout.DEBIAN.partuuid(2)))
    for kernel in sorted((inside.root / "boot").glob("vmlinuz-*")):
        inside.run("update-initramfs", "-c", "-k", kernel.name.removeprefix("vmlinuz-"))


def _add_user(inside: Chroot) -> None:
    """The user `pi`, as on Raspberry Pi OS: no password, sudo without one."""
    known = {line.split(":")[0] for line in (inside.root / "etc/group").read_text().splitlines()}
    groups = ",".join(group for group in USER_GROUPS if group in known)
    inside.run("useradd", "--create-home", "--uid=1000", "--shell=/bin/bash", f"--groups={groups}", "pi")
    inside.run("usermod", "--lock", "root")


def _write_sources(work: Work) -> None:
    shutil.copy(work.results["index"] / index.SOURCES, work.result / "etc/apt/sources.list.d/debian.sources")


def _make_unique_later(root: Path) -> None:
    """Remove what must not be the same on two devices."""
    for pattern in MADE_ON_FIRST_BOOT:
        for file in root.glob(pattern):
            file.unlink()
    (root / "etc/machine-id").write_text("uninitialized\n")


def _check(root: Path, device_trees: Sequence[str]) -> None:
    """Nothing half-done: in a foreign root, triggers have been known to do nothing and say nothing."""
    boot = root / "boot/firmware"
    config = (boot / "config.txt").read_text() if (boot / "config.txt").exists() else ""
    cmdline = (boot / "cmdline.txt").read_text() if (boot / "cmdline.txt").exists() else ""
    named = [line.split()[1] for line in config.splitlines() if line.startswith("initramfs ")]
    kernels = [line.split("=")[1] for line in config.splitlines() if line.startswith("kernel=")]
    lacking = [
        what
        for what, there in {
            "the kernel that config.txt names": bool(kernels) and (boot / kernels[-1]).is_file(),
            "the initrd that config.txt names": bool(named) and (boot / named[-1]).stat().st_size > 1_000_000,
            "device trees": all(list(boot.glob(f"{name}.dtb")) for name in device_trees),
            "the Pi's firmware": (boot / "start4.elf").is_file() and (boot / "bootcode.bin").is_file(),
            "the root partition in cmdline.txt": f"root=PARTUUID={layout.DEBIAN.partuuid(2)} " in cmdline,
        }.items()
        if not there
    ]
    lacking += [
        f"package {name}, half-installed" for name in dpkg_status.unfinished((root / "var/lib/dpkg/status").read_text())
    ]
    if lacking:
        raise PermanentError(f"the base was not made completely: {', '.join(lacking)}")
