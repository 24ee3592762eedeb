"""How long each stage took the last time, to say beforehand how long a build will take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from image.output import written


class Durations:
    """Seconds by stage and kind of image, kept in a file of the cache."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, stage: str, kind: str) -> float | None:
        """How long a stage took for this kind of image; None if that is not known."""
        return self._read().get(_name(stage, kind))

    def note(self, kind: str, seconds: Mapping[str, float]) -> None:
        """Remember how long stages took, by their names."""
        if not seconds:
            return
        known = self._read() | {_name(stage, kind): round(took, 3) for stage, took in seconds.items()}
        with written(self._file) as file:
            file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")

    def _read(self) -> dict[str, float]:
        try:
            known = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _name(stage: str, kind: str) -> str:
    return f"{kind}/{stage}"
