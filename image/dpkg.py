"""The host's dpkg, unpacking packages into an image; the image's own dpkg configures them.

Unpacking is reading archives and writing files, ten times faster outside of the emulator. The
configuring dpkg is the image's own, because the order follows dependencies, and to a dpkg of another
architecture those of an `all` package mean its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from image.chroot import Chroot
from image.mounts import bound
from image.run import run

FORCED = ("--force-architecture", "--force-depends", "--force-unsafe-io", "--force-confdef", "--force-confold")


def extract(package: Path, root: Path) -> None:
    """Only put a package's files into `root`, without dpkg knowing: for a root that cannot run scripts yet."""
    run(["dpkg-deb", "--extract", package, root])


def unpack(packages: Sequence[Path], chroot: Chroot) -> None:
    """Unpack packages, natively; their preinst scripts run inside.

    The image's dpkg configuration counts, not the host's, whose excludes would make holes in the image; and the
    image's users and groups, by whose names archives and `dpkg-statoverride` say who owns a file.
    """
    configuration = chroot.root / "etc/dpkg"
    (configuration / "dpkg.cfg.d").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if Path("/etc/dpkg").is_dir():
            stack.enter_context(bound(configuration, Path("/etc/dpkg")))
        for accounts in ("passwd", "group"):
            stack.enter_context(bound(_accounts(chroot.root, accounts), Path("/etc", accounts)))
        run(
            [
                "dpkg",
                f"--root={chroot.root}",
                f"--log={chroot.root}/var/log/dpkg.log",
                *FORCED,
                "--unpack",
                *packages,
            ],
            env=chroot.environment,
            log=chroot.log,
        )


def _accounts(root: Path, name: str) -> Path:
    """The image's users or groups; before there are any, those that every Debian begins with."""
    own = root / "etc" / name
    return own if own.is_file() else root / f"usr/share/base-passwd/{name}.master"


def configure(chroot: Chroot, env: Mapping[str, str] | None = None) -> None:
    """Configure all that is unpacked, and run the triggers; `env` is added to the scripts' environment."""
    chroot.run(
        *(f"{name}={value}" for name, value in (env or {}).items()),
        "dpkg",
        "--force-confdef",
        "--force-confold",
        "--force-unsafe-io",
        "--configure",
        "--pending",
    )


def architecture(status: str) -> str:
    """A system's architecture, as Debian calls it.

    That of the package dpkg, which is the machine's own also where foreign packages are installed.
    """
    for paragraph in status.split("\n\n"):
        if paragraph.startswith("Package: dpkg\n"):
            return next((line.split()[1] for line in paragraph.splitlines() if line.startswith("Architecture: ")), "")
    return ""


def unfinished(status: str) -> list[str]:
    """The packages in a dpkg status file's text that are not installed completely."""
    names = []
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields and fields.get("Status") not in (
            "install ok installed",
            "hold ok installed",
            "deinstall ok config-files",
        ):
            names.append(fields.get("Package", "?"))
    return names
