"""dpkg, unpacking packages into an image and configuring them.

It is the tool root's, which is native and serves the image's architecture, or the image's own where there is
no tool root. Either way what it does is the same: the order of packages, its database, its log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from image.debian.tool_root import IMAGE
from image.inside.chroot import Chroot
from image.inside.mounts import bound
from image.run import run

ARCHIVES = "run/archives"
"""Where packages are seen in the image: on a tmpfs of ours."""

FORCED = ("--force-unsafe-io", "--force-confdef", "--force-confold")
FORCED_TO_UNPACK = (*FORCED, "--force-architecture", "--force-depends")
"""Packages that something needs beforehand may come in the same set."""


def extract(package: Path, root: Path) -> None:
    """Only put a package's files into `root`, without dpkg knowing: for a root that cannot run scripts yet."""
    run(["dpkg-deb", "--extract", package, root])


def unpack(packages: Sequence[Path], inside: Chroot) -> None:
    """Unpack packages, which lie in one folder; their preinst scripts run.

    Nothing stands in for what is being unpacked: a file that something is bound to cannot be replaced.
    """
    with inside.lent(without={package.name.partition("_")[0] for package in packages}):
        folder = inside.root / ARCHIVES
        folder.mkdir(exist_ok=True)
        with bound(packages[0].parent, folder, read_only=True):
            _run(inside, [*FORCED_TO_UNPACK, "--unpack"], packages, {})


def configure(inside: Chroot, env: Mapping[str, str] | None = None) -> None:
    """Configure all that is unpacked, and run the triggers; `env` is added to the scripts' environment."""
    with inside.lent():
        _run(inside, [*FORCED, "--configure", "--pending"], (), env or {})


def _run(inside: Chroot, arguments: Sequence[str], packages: Sequence[Path], env: Mapping[str, str]) -> None:
    if inside.tools is None:
        files = [f"/{ARCHIVES}/{package.name}" for package in packages]
        inside.run(*(f"{name}={value}" for name, value in env.items()), "dpkg", *arguments, *files)
    else:
        files = [f"/{IMAGE}/{ARCHIVES}/{package.name}" for package in packages]
        inside.tools.dpkg([*arguments, *files], inside.root, {**inside.environment, **env}, inside.log)
