"""A file as it shall be, or as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file. `mode` holds the permission bits; the content may be secret and is not in the repr."""

    path: Path
    content: bytes = field(repr=False)
    mode: int = 0o644

    @property
    def key(self) -> str:
        """Its path."""
        return str(self.path)


def text(path: Path, content: str, mode: int = 0o644) -> File:
    """A file of text."""
    return File(path, content.encode(), mode)
