"""What is taken out of a root file system again after programs ran in it."""

from __future__ import annotations

from pathlib import Path

LEFTOVERS = (
    "etc/*-",
    "etc/.pwd.lock",
    "root/.*history",
    "var/cache/apt/*.bin",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
)


def tidy(root: Path) -> None:
    """Remove what only the build needed, and logs of it."""
    for pattern in LEFTOVERS:
        for file in root.glob(pattern):
            file.unlink()
