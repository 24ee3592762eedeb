"""Which packages go into an image."""

from __future__ import annotations

DEBIAN_BASE = (
    # a bootable Raspberry Pi
    "initramfs-tools",
    "raspi-firmware",
    "zstd",  # the initrd is compressed with it
    "dosfstools",  # fsck of the FAT partition
    "e2fsprogs",
    "cloud-guest-utils",  # growpart
    "fdisk",
    # its radio
    "firmware-brcm80211",
    "rfkill",
    "wireless-regdb",
    "wpasupplicant",
    # the system, as Raspberry Pi OS has it
    "avahi-daemon",
    "apt",
    "ca-certificates",
    "dbus",
    "debian-archive-keyring",
    "init",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libnss-mdns",
    "libpam-systemd",
    "less",
    "nano",
    "network-manager",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd-timesyncd",
    "udev",
)
"""The `debian` base, beside what is essential or of priority required, and the kernel."""

KERNELS = {"arm64": "linux-image-arm64", "armel": "linux-image-rpi"}
"""Of each architecture, as Debian calls it; the one for armel is for the boards with an ARMv6 processor."""

DEVICE_TREES = {"arm64": ("bcm2837-*", "bcm2711-*"), "armel": ("bcm2835-rpi-zero", "bcm2835-rpi-zero-w")}
"""What must be on the FAT partition afterwards: those of the boards that boot from it."""


def debian_base(architecture: str) -> tuple[str, ...]:
    """What a `debian` base is made of, beside what is essential or of priority required."""
    return (*DEBIAN_BASE, KERNELS[architecture])


DAEMON = ("python3", "python3-dbus-next", "python3-jinja2", "python3-pyroute2", "python3-pyudev", "python3-yaml")

ROUTER = (*DAEMON, "dnsmasq-base", "iptables", "lighttpd", "ufw")

PROFILES = {"gateway": ROUTER, "gadget": (*ROUTER, "dhcpcd-base")}
"""What each profile adds to its base."""
