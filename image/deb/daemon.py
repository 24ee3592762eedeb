"""A Debian package of what runs on the device, for machines that were not made from an image: profile `custom`.

The other profiles need more of the machine, and have packages beside it (`profiles.py`).
"""

from __future__ import annotations

from pathlib import Path

from image import documents
from image.deb import archive, units
from image.deb.archive import Package
from image.recipe import PROJECT
from image.stages import daemon

NAME = "appliance"
DEPENDS = (
    "python3 (>= 3.11)",
    "python3-dbus-next",
    "python3-jinja2",
    "python3-pyroute2",
    "python3-pyudev",
    "python3-yaml",
    "dbus",
    "systemd",
)
"""What the package cannot do without: all of it of Debian 12 and 13."""

DESCRIPTION = """
A daemon that reads /etc/appliance/appliance.yaml (profile custom) and puts back at once what other programs take away:
default routes of the tables that rules look up, the order of several uplinks, and settings of interfaces whenever they
appear. It says what it would do and why, and undoes a configuration that cuts you off.

Nothing is done before there is a configuration. The profiles gateway and gadget have packages of their own.
"""

OVERLAY = PROJECT / "overlays/package"
OF_THE_IMAGE = (
    "usr/bin/appliance",
    "usr/lib/systemd/system/appliance.service",
    "usr/share/dbus-1/system.d/org.appliance.Appliance1.conf",
)
"""What an image has as well; more of its overlay is in the profiles' packages, and the rest is about a machine that is
the appliance's as a whole.
"""

UNITS = ("appliance.service", "appliance-config.path")

MANAGERS_FILES = (
    "/etc/NetworkManager/system-connections/appliance-ranked-*.nmconnection",
    "/etc/netplan/95-appliance.yaml",
    "/etc/network/interfaces.d/appliance",
    "/etc/systemd/network/05-appliance-*.network",
)
"""What the daemon writes for the machine's network manager."""

_MARK = "# The next line is the appliance.s,"
_MARKED = rf"/{_MARK}/{{N;s/.*\n *metric [0-9]*$//;/^$/d;s/^[^\n]*\n//}}"
"""For sed: takes away the line of ours in others' files, and its mark."""

_SCRIPTS = {
    "postinst": f"""\
if [ "$1" = configure ]; then
    py3compile -p {NAME} /usr/lib/appliance
{units.enabled(*UNITS)}
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload
        invoke-rc.d dbus reload || true
        deb-systemd-invoke restart {" ".join(UNITS)}
    fi
fi
""",
    "prerm": f"""\
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {" ".join(UNITS)}
fi
py3clean -p {NAME}
""",
    "postrm": f"""\
if [ "$1" = remove ]; then
{units.removed(*UNITS)}
fi
if [ "$1" = purge ]; then
{units.purged(*UNITS)}
    rm -rf /var/lib/appliance
    rm -f {" ".join(MANAGERS_FILES)}
    for file in /etc/network/interfaces /etc/network/interfaces.d/*; do
        if grep --quiet --no-messages "{_MARK}" "$file"; then
            sed --in-place --follow-symlinks '{_MARKED}' "$file"
        fi
    done
fi
""",
}
"""As debhelper's dh_installsystemd and dh_python3 make them (deb-systemd-helper(1p), py3compile(1))."""


def build(folder: Path, *, epoch: int | None = None) -> Path:
    """Make the package in a folder; for `epoch` see `archive.build`."""
    package = Package(
        name=NAME,
        section="net",
        relations={"Depends": ", ".join(DEPENDS)},
        summary="keeps routes, policies and settings of the network as they shall be",
        description=DESCRIPTION,
        scripts=_SCRIPTS,
        sources=_sources(),
        made=documents.contents(documents.OF_THE_PACKAGE),
        folders=("etc/appliance",),
    )
    return archive.build(package, folder, epoch=epoch)


def _sources() -> dict[str, Path]:
    """Where each file is on the machine, and here."""
    sources = {f"{daemon.LIBRARY}/{file}": PROJECT / file for file in daemon.sources()}
    sources |= {file: PROJECT / "overlays/base" / file for file in OF_THE_IMAGE}
    sources |= {str(file.relative_to(OVERLAY)): file for file in OVERLAY.rglob("*") if file.is_file()}
    return sources
