"""Debian packages of the profiles that take a machine over: what an image has for them beside the daemon.

Nothing of another package's is overwritten when one is installed: what the daemon writes once it is configured so, it
remembers, and gives back (`firstboot.former_files`). Settings of the machine as a whole (sudo, ssh, cloud-init, avahi)
are its owner's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from image.deb import archive, daemon, units
from image.deb.archive import Package, version
from image.debian.packages import DAEMON, PROFILES
from image.recipe import PROJECT
from image.stages.daemon import LIBRARY

BASE = PROJECT / "overlays/base"
OF_BOTH = (
    "usr/lib/motd.d/appliance",
    "usr/lib/systemd/system/appliance-dnsmasq-ipv4-only.service",
    "usr/lib/systemd/system/appliance-dnsmasq.service",
    "usr/lib/systemd/system/appliance-lighttpd.service",
    "usr/lib/systemd/system/appliance.service.d/image.conf",
)
"""Of the overlay of all images; and the page."""
PAGE = "usr/share/appliance/page"
MARKS = "usr/share/appliance/profiles"
"""Where a file says that a profile is possible."""

OF_EVERY_BASE = ("ca-certificates", "iproute2", "kmod", "network-manager", "procps", "udev")
"""What each base of an image has, and these profiles need: the broker's https, the kernel's modules, ufw's settings."""
USEFUL = ("avahi-daemon", "wireless-regdb", "wpasupplicant")
"""The same, for who has a name on the network, or a wireless uplink."""

UNITS = ("appliance-dnsmasq-ipv4-only.service", "appliance-dnsmasq.service")
"""Those that an image enables; the daemon, or udev, starts the others."""

SUMMARIES = {
    "gateway": "profile gateway: brings a network IPv6 through a tunnel",
    "gadget": "profile gadget: makes a machine a network adapter on a USB cable",
}

DESCRIPTIONS = {
    "gateway": """
With this package the appliance's daemon makes a machine the IPv6 gateway of its network (6in4 or 6rd), with router
advertisements, DHCP and DNS (dnsmasq), a firewall (ufw) and a status page.
""",
    "gadget": """
With this package the appliance's daemon makes a machine with a USB device port a network adapter of the computer that
it is plugged into, with DHCP, DNS and a way out (dnsmasq), a firewall (ufw) and a status page.
""",
}

TAKEN = """
The machine is taken over once /etc/appliance/appliance.yaml says so, and not before; the firewall is then ufw's, with
the daemon's rules. What was there before comes back with another profile, or when this package is removed.
"""

_SERVICE = "/etc/systemd/system/lighttpd.service"
_MASKED = "/var/lib/appliance/lighttpd-masked"
"""There while we keep Debian's own lighttpd, which is here because of us, from serving everybody."""

_PREINST = f"""\
if [ "$1" = install ] && [ ! -e {_SERVICE} ] && [ ! -L {_SERVICE} ] &&
        [ "$(dpkg-query --show --showformat='${{db:Status-Status}}' lighttpd 2>/dev/null)" != installed ]; then
    install -d -m 0700 /var/lib/appliance
    : >{_MASKED}
    install -d /etc/systemd/system
    ln -s /dev/null {_SERVICE}
fi
"""
"""A link of our own: what deb-systemd-helper masks, the package lighttpd unmasks."""

_POSTINST = f"""\
if [ "$1" = configure ]; then
{units.enabled(*UNITS)}
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload
        deb-systemd-invoke restart {" ".join(UNITS)} appliance.service
    fi
    if [ ! -e {_MASKED} ] && systemctl --quiet is-enabled lighttpd.service 2>/dev/null; then
        echo "lighttpd is in use here, at port 80: for the appliance's status page turn it off (systemctl disable" \\
            "--now lighttpd), or have none (status_page: false in appliance.yaml)" >&2
    fi
fi
"""

_PRERM = f"""\
if [ "$1" = remove ]; then
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke stop appliance.service
    fi
    python3 -I -c "import sys; sys.path.insert(0, '/{LIBRARY}'); from firstboot.leaving import main; main()" ||
        echo "not all of what the appliance took over could be given back" >&2
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke stop {" ".join(UNITS)} appliance-lighttpd.service
    fi
fi
"""

_POSTRM = f"""\
if [ "$1" = remove ]; then
{units.removed(*UNITS)}
    if [ -e {_MASKED} ]; then
        rm -f {_SERVICE} {_MASKED}
    fi
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke restart appliance.service
    fi
fi
if [ "$1" = purge ] && [ ! -e /usr/lib/systemd/system/{UNITS[0]} ]; then
{units.purged(*UNITS)}
    rm -rf /var/lib/appliance-dnsmasq
fi
"""
"""The daemon goes on with what is possible without us. With the other profile's package, these units are that one's."""


def build(profile: str, folder: Path, *, epoch: int | None = None) -> Path:
    """Make the package of a profile, `gateway` or `gadget`, in a folder; for `epoch` see `archive.build`."""
    package = Package(
        name=f"{daemon.NAME}-{profile}",
        section="net",
        relations=_relations(profile),
        summary=SUMMARIES[profile],
        description=f"{DESCRIPTIONS[profile].strip()}\n\n{TAKEN.strip()}",
        scripts={
            "preinst": _PREINST,
            "postinst": _POSTINST,
            "prerm": _PRERM,
            "postrm": _POSTRM,
        },
        sources=_sources(profile),
        made={f"{MARKS}/{profile}": b"This profile is possible: its package is installed.\n"},
    )
    return archive.build(package, folder, epoch=epoch)


def _relations(profile: str) -> Mapping[str, str]:
    """The other profile's package has the same files."""
    needed = sorted({*PROFILES[profile], *OF_EVERY_BASE} - {*DAEMON})
    others = sorted(f"{daemon.NAME}-{other}" for other in PROFILES if other != profile)
    return {
        "Depends": ", ".join([f"{daemon.NAME} (= {version()})", *needed]),
        "Recommends": ", ".join(USEFUL),
        "Conflicts": ", ".join(others),
        "Replaces": ", ".join(others),
    }


def _sources(profile: str) -> dict[str, Path]:
    """Where each file is on the machine, and here."""
    own = PROJECT / "overlays" / profile
    sources = {file: BASE / file for file in OF_BOTH}
    sources |= {str(file.relative_to(BASE)): file for file in (BASE / PAGE).rglob("*") if file.is_file()}
    return sources | {str(file.relative_to(own)): file for file in (own / "usr").rglob("*") if file.is_file()}
