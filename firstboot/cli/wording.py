"""What `plan` and `explain` say alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 4
"""So many lines of appliance.yaml are named; a file that serves everything has a dozen."""

_Wanting = Sequence[Mapping[str, Any]]


def begins_with(line: str, wanted_by: Mapping[str, _Wanting]) -> _Wanting:
    """The settings that want what a line is about: it begins with the key of a spec."""
    return next((found for key, found in wanted_by.items() if line.startswith(f"{key}: ")), ())


def lines_told(name: str, wanting: _Wanting) -> str:
    """Where these settings stand in the file of that name, in brackets; "" for none."""
    told = [f"{found['line']} {found['setting']}" for found in wanting[:_SHOWN]]
    more = [f"{len(wanting) - _SHOWN} more"] if len(wanting) > _SHOWN else []
    return f" ({name} line {', '.join([*told, *more])})" if told else ""
