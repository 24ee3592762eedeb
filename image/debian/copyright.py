"""The licences that a Debian package declares, as SPDX calls them.

Read are copyright files in the machine-readable format
(https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/), whose short names are defined there. They are
of the source package: what is said here holds of the sources, of which a binary package may have only a part.
"""

from __future__ import annotations

import re

from image.debian.installed import paragraphs

FORMAT = re.compile(r"https?://\S*/copyright-format/1\.0/?$")

GNU = re.compile(r"(?P<family>AGPL|LGPL|GPL|GFDL(?:-NIV)?)-?v?(?P<version>\d(?:\.\d)?)(?P<later>\+?)")
GNU_VERSIONS = {
    "AGPL": ("3.0",),
    "GFDL": ("1.1", "1.2", "1.3"),
    "GPL": ("1.0", "2.0", "3.0"),
    "LGPL": ("2.0", "2.1", "3.0"),
}

NAMED = {
    "0bsd": "0BSD",
    "apache-1.1": "Apache-1.1",
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsd-4-clause-uc": "BSD-4-Clause-UC",
    "bsl-1.0": "BSL-1.0",
    "cc-by-3.0": "CC-BY-3.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "curl": "curl",
    "expat": "MIT",
    "fsfap": "FSFAP",
    "fsful": "FSFUL",
    "fsfullr": "FSFULLR",
    "isc": "ISC",
    "mit": "MIT",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "ofl-1.1": "OFL-1.1",
    "openssl": "OpenSSL",
    "psf-2": "PSF-2.0",
    "unicode-dfs-2016": "Unicode-DFS-2016",
    "x11": "X11",
    "zlib": "Zlib",
}
"""Short names without a version number of the GNU kind, in small letters: those that the format defines, and those
that are SPDX's own."""


def declared(text: str) -> str | None:
    """All licences of a copyright file as one SPDX expression; None unless every one is known for certain.

    Not guessed are exceptions, names that a package made up, and what is in no known format.
    """
    head, *others = list(paragraphs(text)) or [{}]
    if not FORMAT.match(head.get("Format", "")):
        return None
    found = {_expression(fields.get("License", "").split("\n")[0]) for fields in others if "Files" in fields}
    if not found or None in found:
        return None
    parts = {part for one in found if one is not None for part in ([one] if " OR " in one else one.split(" AND "))}
    return " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in sorted(parts))


def _expression(text: str) -> str | None:
    """One `License:` as SPDX has it: `and` binds stronger than `or` in both."""
    words = []
    for word in text.split():
        known = word.upper() if word in ("and", "or") else _identifier(word)
        if known is None:
            return None
        words.append(known)
    alternating = all((word in ("AND", "OR")) == bool(number % 2) for number, word in enumerate(words))
    return " ".join(words) if len(words) % 2 and alternating else None


def _identifier(name: str) -> str | None:
    gnu = GNU.fullmatch(name)
    if gnu is None:
        return NAMED.get(name.lower())
    family = gnu["family"].removesuffix("-NIV")
    version = gnu["version"] if "." in gnu["version"] else f"{gnu['version']}.0"
    if version not in GNU_VERSIONS[family]:
        return None
    without = "-no-invariants" if gnu["family"].endswith("-NIV") else ""
    return f"{family}-{version}{without}-{'or-later' if gnu['later'] else 'only'}"
