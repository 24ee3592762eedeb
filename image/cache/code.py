"""Which source code a stage's result is made by: its module's, and all that this imports of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from image.recipe import PROJECT

BLIND = ("appliance", "firstboot", "image.cache", "image.events")
"""Packages and modules that have no part in a result.

The first two run on the device, and are read as files by the stage that puts them there. The others keep results and
tell of them.
"""

IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|.*)|import\s+(.*))$", re.MULTILINE)


def code_of(file: str) -> str:
    """A digest of the source code that the module in `file` stands on.

    It is asked while that module is being imported, so that what is written to the files later, which this process
    does not run, is not taken for what it ran.
    """
    digest = hashlib.sha256()
    for source in sorted(sources_of(Path(file))):
        content = _content(source)
        digest.update(f"{source.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def sources_of(file: Path) -> set[Path]:
    """The files of a module and of all that it imports, of whatever these import, and so on."""
    found: set[Path] = set()
    following = [file]
    while following:
        source = following.pop()
        if source not in found:
            found.add(source)
            following += _imported(source)
    return found


def names_imported(code: str) -> Iterator[str]:
    """What is imported somewhere in `code`; of `from A import B`, both A and A.B, which may be a module."""
    for origin, chosen, whole in IMPORT.findall(code):
        names = [name.split()[0] for name in re.sub(r"#.*|[()]", "", chosen or whole).split(",") if name.strip()]
        yield from [origin, *(f"{origin}.{name}" for name in names)] if origin else names


@cache
def _imported(source: Path) -> list[Path]:
    names = dict.fromkeys(names_imported(_content(source).decode()))
    return [file for name in names if not _is_blind(name) and (file := _file(name)) is not None]


def _is_blind(name: str) -> bool:
    return any(name == blind or name.startswith(f"{blind}.") for blind in BLIND)


@cache
def _file(name: str) -> Path | None:
    place = PROJECT.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@cache
def _content(source: Path) -> bytes:
    return source.read_bytes()
