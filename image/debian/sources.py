"""Where the packages come from: the host's own apt configuration, or a mirror that was given.

No archive's name is written down anywhere: a `debian` base gets the Debian mirror that the host
itself uses.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from appliance.errors import InputError
from image.run import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
COMPONENTS = ("main", "non-free-firmware")

PASSED_ON = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries", "Acquire::ForceIPv")
PASSED_ON_EXACTLY = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
"""The host's apt settings that say how to reach an archive. Whether signatures count is not for the host to say."""


LOCAL = ("cdrom:", "file:", "copy:")
"""Archives that an image cannot be configured for."""

NO_LISTS = "/nonexistent/"

TIMEOUT_S = 30
HINT = "give one with --mirror URL"


@dataclass(frozen=True)
class Row:
    """One line of a host's apt configuration."""

    uri: str
    release: str
    component: str
    origin: str = ""
    """Whose archive it says it is; empty while its lists were never fetched."""


NOTHING = Row("", "", "")


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
    # apt reads all lists first, which takes half a second where it may not keep what it read, as in Debian's
    # containers. Without them it knows the archives, but not whose they are.
    fields = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(FILENAME)"
    options = ("--no-release-info", "-o", f"Dir::State::lists={NO_LISTS}", "--format", fields)
    listed = run(["apt-get", "indextargets", *options, "Created-By: Packages"])
    lists = Path(shlex.split(run(["apt-config", "shell", "D", "Dir::State::lists/d"]).partition("=")[2])[0])
    rows = []
    for line in sorted(set(listed.splitlines())):
        uri, release, component, file = line.split("\t")
        rows.append(Row(uri, release, component, _origin(lists, Path(file).name, component)))
    return tuple(Source(fetchable(source.uri), source.suites) for source in debian_sources(suite, rows, _codename()))


def debian_sources(suite: str, listed: Sequence[Row], codename: str) -> tuple[Source, ...]:
    """Sources for `suite`, from what a host's apt lists whose own release is `codename`."""
    names = {codename, suite, "stable"} - {""}
    rows = [row for row in listed if not row.uri.startswith(LOCAL)]
    found = _of_debian([row for row in rows if row.origin == "Debian"], names)
    # Where no lists were fetched yet, only what Debian alone has tells its archive from another's.
    rows = found or _of_debian([row for row in rows if not row.origin], names)
    main = _main(rows, names, codename)
    if not main:
        raise InputError("this machine's apt has no Debian archive configured", hint=HINT)
    updates = any(row.uri == main and row.release in _with(names, "updates") for row in rows)
    chosen = [Source(main.rstrip("/"), (suite, f"{suite}-updates") if updates else (suite,))]
    security = [row.uri for row in rows if row.release in _with(names, "security")]
    if security:
        chosen.append(Source(security[0].rstrip("/"), (f"{suite}-security",)))
    return tuple(chosen)


def public(uri: str) -> str:
    """An archive's address, which everybody may read: it gets into the image. Raises InputError with a password."""
    host = urlsplit(uri).netloc
    if "@" in host:
        raise InputError(
            f"the address of the archive {host.rpartition('@')[2]} has a user or password in it, "
            "which would be in the image for everybody to read",
            hint="put them into /etc/apt/auth.conf.d (see apt_auth.conf(5)), and the address without them here",
        )
    return uri


def fetchable(uri: str) -> str:
    """`uri`, if it is an http(s) address; of a list of mirrors (apt-transport-mirror(1)), the first that is one.

    Raises InputError for anything else, and for an address with a password.
    """
    scheme, _, rest = public(uri).partition(":")
    if scheme in ("http", "https"):
        return uri
    try:
        if scheme in ("mirror+file", "mirror+copy"):
            text = Path("/" + rest.strip("/")).read_text()
        elif scheme in ("mirror", "mirror+http", "mirror+https"):
            address = f"{scheme.removeprefix('mirror').removeprefix('+') or 'http'}:{rest.rstrip('/')}"
            import urllib.request  # noqa: PLC0415 (hardly anybody has such a list, and it is slow to load)

            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 (http or https)
                text = answer.read().decode(errors="replace")
        else:
            raise InputError(f"this machine's apt reaches Debian by {uri}, which is not http or https", hint=HINT)
    except OSError as error:
        raise InputError(f"the list of mirrors {uri} cannot be read: {error}", hint=HINT) from error
    words = [line.split()[0] for line in text.splitlines() if line.strip()]
    found = next((word for word in words if word.startswith(("http://", "https://"))), None)
    if found is None:
        raise InputError(f"the list of mirrors {uri} has no http or https address", hint=HINT)
    return public(found.rstrip("/"))


def _origin(lists: Path, packages: str, component: str) -> str:
    """Whose archive it is that the list `packages` is of, by the Release file that apt keeps beside it."""
    suite = packages.rpartition(f"_{component.replace('/', '_')}_binary-")[0]
    for name in (f"{suite}_InRelease", f"{suite}_Release"):
        try:
            text = (lists / name).read_text(errors="replace")
        except OSError:  # never fetched
            continue
        return next((line[8:].strip() for line in text.splitlines() if line.startswith("Origin: ")), "")
    return ""


def _of_debian(rows: Sequence[Row], names: AbstractSet[str]) -> list[Row]:
    """`rows`, if one of them has Debian's packages."""
    return list(rows) if any(row.component == "main" and row.release in names for row in rows) else []


def _main(rows: Sequence[Row], names: AbstractSet[str], codename: str) -> str:
    """The archive in `rows` that is most likely Debian's own; empty if none can be."""
    own = {row.uri for row in rows if row.release in _with({codename}, "updates") | _with({codename}, "security")}

    def rank(row: Row) -> tuple[bool, bool, bool]:
        return not row.uri.startswith(("http", "mirror")), row.uri not in own, row.release != codename

    return min((row for row in rows if row.component == "main" and row.release in names), key=rank, default=NOTHING).uri


def _with(names: AbstractSet[str], what: str) -> set[str]:
    return {f"{name}-{what}" for name in names}


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
