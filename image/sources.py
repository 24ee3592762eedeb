"""Where the packages come from: the host's own apt configuration, or a mirror that was given.

No archive's name is written down anywhere: a `debian` base gets the Debian mirror that the host
itself uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from image.run import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
COMPONENTS = ("main", "non-free-firmware")

PASSED_ON = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries", "Acquire::ForceIPv")
PASSED_ON_EXACTLY = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
"""The host's apt settings that say how to reach an archive. Whether signatures count is not for the host to say."""


@dataclass(frozen=True)
class Source:
    """One archive: its address, the suites to take from it."""

    uri: str
    suites: tuple[str, ...]


def host_sources(suite: str) -> tuple[Source, ...]:
    """The Debian archives that the host uses, with `suite` in place of the host's own.

    Updates and security updates are taken where the host takes them. Raises InputError if the host's
    apt is not configured for Debian.
    """
    listed = run(
        [
            "apt-get",
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ]
    )
    return debian_sources(suite, sorted({tuple(line.split()) for line in listed.splitlines()}), _codename())


def debian_sources(suite: str, listed: Sequence[tuple[str, ...]], codename: str) -> tuple[Source, ...]:
    """Sources for `suite`, from (URI, release, component) rows of a host whose own release is `codename`."""
    names = {codename, suite, "stable"} - {""}
    main = [uri for uri, release, component in listed if component == "main" and release in names]
    if not main:
        raise InputError(
            "this machine's apt has no Debian archive configured",
            hint="give one with --mirror URL, or start from an existing image with --base FILE",
        )
    updates = any(uri == main[0] and release in {f"{n}-updates" for n in names} for uri, release, _ in listed)
    found = [Source(main[0].rstrip("/"), (suite, f"{suite}-updates") if updates else (suite,))]
    security = [uri for uri, release, _ in listed if release in {f"{name}-security" for name in names}]
    if security:
        found.append(Source(security[0].rstrip("/"), (f"{suite}-security",)))
    return tuple(found)


def deb822(sources: Sequence[Source]) -> str:
    """The content of a `debian.sources` file, see sources.list(5)."""
    return "\n".join(
        f"Types: deb\nURIs: {source.uri}\nSuites: {' '.join(source.suites)}\n"
        f"Components: {' '.join(COMPONENTS)}\nSigned-By: {KEYRING}\n"
        for source in sources
    )


def transport_settings() -> str:
    """The host's apt settings on how to reach an archive (proxy, retries), as an apt.conf. May hold a secret."""
    return "".join(line + "\n" for line in run(["apt-config", "dump"]).splitlines() if _passed_on(line.split(" ")[0]))


def _passed_on(name: str) -> bool:
    return name.startswith(PASSED_ON) or name in PASSED_ON_EXACTLY


def _codename() -> str:
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"') if fields.get("ID") == "debian" else ""
