"""A Debian package of what runs on the device, for machines that were not made from an image (profile `custom`)."""

from __future__ import annotations

import os
import textwrap
from hashlib import md5
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory

from image import documents
from image.output import written
from image.recipe import PROJECT
from image.run import run
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

OVERLAY = PROJECT / "overlays/package"
OF_THE_IMAGE = (
    "usr/bin/appliance",
    "usr/lib/systemd/system/appliance.service",
    "usr/share/dbus-1/system.d/org.appliance.Appliance1.conf",
)
"""What an image has as well; the rest of its overlay is about a machine that is the appliance's as a whole."""

UNITS = "appliance.service appliance-config.path"

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
            deb-systemd-helper unmask {UNITS} >/dev/null || true
            for unit in {UNITS}; do
                if deb-systemd-helper --quiet was-enabled $unit; then
                    deb-systemd-helper enable $unit >/dev/null || true
                else
                    deb-systemd-helper update-state $unit >/dev/null || true
                fi
            done
            if [ -d /run/systemd/system ]; then
                systemctl --system daemon-reload
                systemctl reload dbus.service || true
                deb-systemd-invoke restart {UNITS}
            fi
        fi
        """,
    "prerm": f"""\
        if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
            deb-systemd-invoke stop {UNITS}
        fi
        py3clean -p {NAME}
        """,
    "postrm": f"""\
        if [ "$1" = remove ] && [ -x /usr/bin/deb-systemd-helper ]; then
            deb-systemd-helper mask {UNITS} >/dev/null
        fi
        if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
            systemctl --system daemon-reload
        fi
        if [ "$1" = purge ]; then
            if [ -x /usr/bin/deb-systemd-helper ]; then
                deb-systemd-helper purge {UNITS} >/dev/null
                deb-systemd-helper unmask {UNITS} >/dev/null
            fi
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
    """Make the package in a folder. `epoch`: the time of all that is in it, in seconds since 1970, so that the same
    sources give the same package; None: the time of the newest of them.
    """
    version = version_of(NAME)
    with TemporaryDirectory() as name:
        root = Path(name)
        sources = _sources()
        for target, source in sources.items():
            _put(root / target, source.read_bytes(), 0o755 if target.parts[:2] == ("usr", "bin") else 0o644)
        for document, content in documents.contents(documents.OF_THE_PACKAGE).items():
            _put(root / document, content, 0o644)
        (root / "etc/appliance").mkdir(parents=True)
        _describe(root, version)
        time_s = max(int(source.stat().st_mtime) for source in sources.values()) if epoch is None else epoch
        for path in (root, *root.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)  # whatever the umask
            os.utime(path, (time_s, time_s))
        package = folder / f"{NAME}_{version}_all.deb"
        with written(package) as new:
            environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time_s)}
            run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, new], env=environment)
    return package


def _sources() -> dict[Path, Path]:
    """Where each file is on the machine, and here."""
    sources = {Path(daemon.LIBRARY, file): PROJECT / file for file in daemon.sources()}
    sources |= {Path(file): PROJECT / "overlays/base" / file for file in OF_THE_IMAGE}
    sources |= {file.relative_to(OVERLAY): file for file in OVERLAY.rglob("*") if file.is_file()}
    return sources


def _describe(root: Path, version: str) -> None:
    """What dpkg wants to know (deb-control(5)), the sums of the files, and what is done at installation and removal."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    size_kib = sum(-(-path.stat().st_size // 1024) for path in files)
    sums = "".join(f"{md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324
    summary = "keeps routes, policies and settings of the network as they shall be"
    control = f"""\
        Package: {NAME}
        Version: {version}
        Architecture: all
        Maintainer: the appliance's developers <appliance@localhost>
        Installed-Size: {size_kib}
        Depends: {", ".join(DEPENDS)}
        Section: net
        Priority: optional
        Description: {summary}
         A daemon that reads /etc/appliance/appliance.yaml (profile custom) and puts back at once what other
         programs take away: default routes of the tables that rules look up, and settings of interfaces
         whenever they appear. It says what it would do and why, and undoes a configuration that cuts you off.
        """
    _put(root / "DEBIAN/control", textwrap.dedent(control).encode(), 0o644)
    _put(root / "DEBIAN/md5sums", sums.encode(), 0o644)
    for name, body in _SCRIPTS.items():
        _put(root / "DEBIAN" / name, f"#!/bin/sh\nset -e\n{textwrap.dedent(body)}".encode(), 0o755)


def _put(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
