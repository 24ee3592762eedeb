"""Building: what has its own file here, one after the other."""

from __future__ import annotations

from pathlib import Path

from tests.bench import acceleration, rebuild, stamp

PARTS = (acceleration.measure, rebuild.measure, stamp.measure)


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    for number, part in enumerate(PARTS):
        own = folder / str(number)
        own.mkdir()
        part(own)
