"""The packages that are installed in an image, by its dpkg database, and what its archives say of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

STATUS = "var/lib/dpkg/status"
PRESENT = (" installed", " triggers-awaited", " triggers-pending")
"""How a Status ends, by dpkg(1), when a package's files are all there."""

SOURCE = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")


@dataclass(frozen=True, order=True, kw_only=True)
class Package:
    """An installed binary package."""

    name: str
    version: str
    architecture: str
    source: str
    """The source package that it was built from."""
    source_version: str
    maintainer: str
    """NAME <ADDRESS>, as deb-control(5) has it; empty if nobody is named."""


@dataclass(frozen=True)
class Archive:
    """The .deb of a package."""

    path: str
    """Below the root of the archive that has it."""
    sha256: str


Identity = tuple[str, str, str]
"""Name, version and architecture."""


def identity(package: Package) -> Identity:
    """What a .deb is known by."""
    return package.name, package.version, package.architecture


def installed(status: str) -> list[Package]:
    """The installed packages in the text of a dpkg status file, sorted by name."""
    every = paragraphs(status)
    return sorted(_package(fields) for fields in every if fields.get("Status", "").endswith(PRESENT))


def archives(lists: Iterable[Path], wanted: Iterable[Package]) -> dict[Identity, Archive]:
    """The .deb files of packages, by the `Packages` files of archives.

    One that two archives have under the same version, with different content, is left out: which of them was
    installed is not known.
    """
    identities = {identity(package) for package in wanted}
    beginnings = {f"Package: {name}".encode() for name, _, _ in identities}
    found: dict[Identity, Archive] = {}
    doubtful = set()
    for file in sorted(lists):
        # Tens of thousands of paragraphs, of which hundreds are looked into.
        for text in file.read_bytes().split(b"\n\n"):
            if text.partition(b"\n")[0] not in beginnings:
                continue
            fields = next(paragraphs(text.decode(errors="replace")))
            this = (fields["Package"], fields.get("Version", ""), fields.get("Architecture", ""))
            if this not in identities or not {"Filename", "SHA256"} <= fields.keys():
                continue
            archive = Archive(fields["Filename"].removeprefix("./"), fields["SHA256"])
            if found.setdefault(this, archive).sha256 != archive.sha256:
                doubtful.add(this)
    return {this: archive for this, archive in found.items() if this not in doubtful}


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a deb822(5) text: field names to values, of which lines that continue one keep their break."""
    for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line.strip()
            elif not line.startswith("#") and ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def _package(fields: Mapping[str, str]) -> Package:
    name, version = fields["Package"], fields["Version"]
    source = SOURCE.match(fields.get("Source", name))
    return Package(
        name=name,
        version=version,
        architecture=fields["Architecture"],
        source=source["name"] if source else name,
        source_version=(source and source["version"]) or version,
        maintainer=fields.get("Maintainer", ""),
    )
