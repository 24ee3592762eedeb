"""What maintainer scripts do about systemd's units, as debhelper's dh_installsystemd does (deb-systemd-helper(1p))."""

from __future__ import annotations


def enabled(*names: str) -> str:
    """For postinst: enabled at the first installation, and as the person has them at later ones."""
    return f"""\
    deb-systemd-helper unmask {" ".join(names)} >/dev/null || true
    for unit in {" ".join(names)}; do
        if deb-systemd-helper --quiet was-enabled $unit; then
            deb-systemd-helper enable $unit >/dev/null || true
        else
            deb-systemd-helper update-state $unit >/dev/null || true
        fi
    done"""


def removed(*names: str) -> str:
    """For postrm."""
    return f"""\
    if command -v deb-systemd-helper >/dev/null; then
        deb-systemd-helper mask {" ".join(names)} >/dev/null
    fi
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload
    fi"""


def purged(*names: str) -> str:
    """For postrm: nothing is remembered of them."""
    return f"""\
    if command -v deb-systemd-helper >/dev/null; then
        deb-systemd-helper purge {" ".join(names)} >/dev/null
        deb-systemd-helper unmask {" ".join(names)} >/dev/null
    fi"""
