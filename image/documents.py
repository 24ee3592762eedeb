"""What is made out of the sources for whoever uses a machine: manual pages, and what has shells complete commands."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from image.recipe import PROJECT
from image.run import run

COMPLETION = {"usr/share/bash-completion/completions/appliance": "appliance.bash"}
OTHER_SHELLS = {
    "usr/share/fish/vendor_completions.d/appliance.fish": "appliance.fish",
    "usr/share/zsh/vendor-completions/_appliance": "appliance.zsh",
}
"""For machines that are somebody else's: an image has bash alone."""
PAGES = {
    "usr/share/man/man1/appliance.1.gz": "appliance.1",
    "usr/share/man/man5/appliance.yaml.5.gz": "appliance.yaml.5",
}
"""Where each is on the machine, and its name in `image.manual.pages`."""
BUILDER = "builder/"
COMMON = ("appliance.yaml.5",)
"""What is the same on the build host; of the rest it has pages of its own, whose names begin so."""

OF_THE_PACKAGE = COMPLETION | OTHER_SHELLS | PAGES
OF_THE_BUILDER = {target: name if name in COMMON else f"{BUILDER}{name}" for target, name in OF_THE_PACKAGE.items()}
"""The same places: what is there is about more commands."""

MAN = "usr/bin/man"


def contents(documents: Mapping[str, str]) -> dict[str, bytes]:
    """Each as it is on the machine, by where it is there; compressed if its name ends so.

    A Python of its own makes them out of the sources as they are now, as the daemon's files are copied, whatever they
    were when this one was started.
    """
    pages = json.loads(run([sys.executable, "-m", "image.manual"], cwd=PROJECT))
    return {target: _content(target, pages[name]) for target, name in documents.items()}


def sources() -> list[Path]:
    """The files that these are made of beside the daemon's, sorted, relative to the project."""
    found = [*(PROJECT / "image/manual").glob("*.py"), *(PROJECT / "tests/appliance/examples").iterdir()]
    return sorted(file.relative_to(PROJECT) for file in found)


def wanted_in(root: Path) -> dict[str, str]:
    """What an image gets: pages are for those that have a program to read them with."""
    return COMPLETION | (PAGES if (root / MAN).exists() else {})


def _content(target: str, page: str) -> bytes:
    return gzip.compress(page.encode(), mtime=0) if target.endswith(".gz") else page.encode()
