"""A Debian package: what is in it as data, and the archive that dpkg-deb makes of that."""

from __future__ import annotations

import os
import shutil
import stat
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from image.deb import formalities
from image.output import written
from image.run import run

PROJECT_NAME = "appliance"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package. What is a path relative to the machine's root is a text without a slash before it."""

    name: str
    section: str
    relations: Mapping[str, str]
    """`Depends` and the like, as they stand in control (deb-control(5))."""
    summary: str
    description: str
    """Paragraphs, an empty line between them."""
    scripts: Mapping[str, str]
    """The bodies of the maintainer scripts, by name."""
    sources: Mapping[str, Path]
    """Files and symbolic links that are copied, with the mode that git keeps: 755 or 644."""
    made: Mapping[str, bytes]
    """Files that are made."""
    folders: tuple[str, ...] = ()
    """Empty ones."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Of what is somebody else's: its place, and the text of its licence."""
    overrides: str = ""
    """What lintian(1) shall not say of it, with a sentence why."""


def version() -> str:
    """All packages have the project's."""
    return version_of(PROJECT_NAME)


def build(package: Package, folder: Path, *, epoch: int | None) -> Path:
    """Make the archive in a folder. `epoch`: the time of all that is in it, in seconds since 1970, so that the same
    sources give the same archive; None: the time of the newest of them.
    """
    newest = max(int(source.lstat().st_mtime) for source in package.sources.values())
    time_s = newest if epoch is None else epoch
    with TemporaryDirectory() as name:
        root = Path(name)
        _fill(root, package, time_s)
        _describe(root, package)
        for path in (root, *root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)  # whatever the umask
            os.utime(path, (time_s, time_s), follow_symlinks=False)
        archive = folder / f"{package.name}_{version()}_all.deb"
        with written(archive) as new:
            # dpkg-deb takes the folder that TMPDIR names, whether it is there or not.
            environment = {"SOURCE_DATE_EPOCH": str(time_s), "TMPDIR": gettempdir()}
            run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, new], env=environment)
    return archive


def _fill(root: Path, package: Package, time_s: int) -> None:
    documents = f"usr/share/doc/{package.name}"
    for target, source in package.sources.items():
        _copy(source, root / target)
    for target, content in package.made.items():
        _put(root / target, content, 0o644)
    _put(root / documents / "copyright", formalities.copyright_of(package.licences, time_s).encode(), 0o644)
    _put(root / documents / "changelog.gz", formalities.changelog(package.name, version(), time_s), 0o644)
    if package.overrides:
        _put(root / "usr/share/lintian/overrides" / package.name, package.overrides.encode(), 0o644)
    for target in package.folders:
        (root / target).mkdir(parents=True)


def _describe(root: Path, package: Package) -> None:
    """What dpkg wants to know (deb-control(5)), the sums of the files, and what is done at installation and removal."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    fields = {
        "Package": package.name,
        "Version": version(),
        "Architecture": "all",
        "Maintainer": formalities.MAINTAINER,
        "Installed-Size": str(sum(-(-path.stat().st_size // 1024) for path in files)),
        **package.relations,
        "Section": package.section,
        "Priority": "optional",
        "Description": f"{package.summary}\n{_paragraphs(package.description)}",
    }
    control = "".join(f"{name}: {value}\n" for name, value in fields.items())
    sums = "".join(f"{md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324
    _put(root / "DEBIAN/control", control.encode(), 0o644)
    _put(root / "DEBIAN/md5sums", sums.encode(), 0o644)
    for name, body in package.scripts.items():
        _put(root / "DEBIAN" / name, f"#!/bin/sh\nset -e\n{textwrap.dedent(body)}".encode(), 0o755)


def _paragraphs(text: str) -> str:
    wrapped = (textwrap.wrap(" ".join(paragraph.split()), 76) for paragraph in text.split("\n\n"))
    return "\n .\n".join("\n".join(f" {line}" for line in lines) for lines in wrapped)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    else:
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


def _put(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
