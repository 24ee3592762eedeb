"""What a check of the model found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.model import Appliance


@dataclass(frozen=True)
class Finding:
    """Something wrong, or risky, about the setting at that path. `also`: another one that it has to do with, or ""."""

    path: str
    message: str
    allowed: str = ""
    warning: bool = False
    also: str = ""


Check = Callable[[Appliance], Iterator[Finding]]
