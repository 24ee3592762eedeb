"""What every Debian package has to have beside what it is for: who keeps it, its licences, its changelog."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from email.utils import formatdate
from textwrap import dedent, indent
from time import gmtime

MAINTAINER = "the appliance's developers <appliance@example.org>"
"""Nobody reads letters to it: example.org is nobody's (RFC 2606). Whoever hands packages on puts in an address."""


def copyright_of(licences: Mapping[str, str], time_s: int) -> str:
    """The file `copyright`, of sources of that time: with the licences of what is others', by its place."""
    own = f"Copyright © {gmtime(time_s).tm_year} the appliance's developers.\nTheir sources state no licence.\n"
    return own + "".join(f"\n{place}:\n\n{indent(text.strip(), '  ')}\n" for place, text in licences.items())


def changelog(name: str, version: str, time_s: int) -> bytes:
    """The file `changelog.gz`, as dpkg reads it (deb-changelog(5)): what has changed is in the sources' history."""
    entry = f"""\
        {name} ({version}) unstable; urgency=medium

          * As the sources of this version are.

         -- {MAINTAINER}  {formatdate(time_s)}
        """
    return gzip.compress(dedent(entry).encode(), 9, mtime=0)
