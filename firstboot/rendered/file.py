"""A file as it shall be, or as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file. `mode` holds the permission bits; the content may be secret and is not in the repr.

    Without content and mode, whatever is there shall stay.
    """

    path: Path
    content: bytes | None = field(repr=False)
    mode: int | None = 0o644

    @property
    def key(self) -> str:
        """Its path."""
        return str(self.path)


def kept(path: Path) -> File:
    """The file as it is, or none: what it shall be is not known yet."""
    return File(path, None, None)


def text(path: Path, content: str, mode: int = 0o644) -> File:
    """A file of text."""
    return File(path, content.encode(), mode)
