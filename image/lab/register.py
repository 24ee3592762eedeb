"""What the two halves of the tunnel's provider have in common: which address the other end of a tunnel has.

It is a file: the broker writes it, the tunnel server heeds it from the next packet on, and a test may put another
address there, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path


@dataclass(frozen=True)
class Register:
    """The entry of one tunnel, in the file `path`."""

    path: Path

    def endpoint(self) -> IPv4Address | None:
        """The address that the tunnel's other end has; None: there is no such tunnel."""
        text = self.path.read_text(encoding="ascii")
        return IPv4Address(text) if text else None

    def enter(self, endpoint: IPv4Address | None) -> None:
        """From now on it is this one; None: the tunnel is deleted."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(str(endpoint or ""), encoding="ascii")
        new.replace(self.path)
