"""Kernel settings as they were before a trial changed them: afterwards nobody else knows.

Whatever else a configuration brings is ours, and goes when it is not wanted any more; a setting stays as it was set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from firstboot import files


class BeforeTrial:
    """Used from one thread. `memory` is a file that goes with the power, as settings do."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self.about, self._values = _remembered(memory)

    def note(self, name: str, value: str | None) -> None:
        """A setting is about to be changed that has this value (None: the kernel has no such setting)."""
        if self.about and value is not None and name not in self._values:
            values = {**self._values, name: value}
            files.replace(self._memory, json.dumps([self.about, values]).encode())
            self._values = values

    def values(self) -> Mapping[str, str]:
        """All that was changed, the last first: one may have brought others with it (net.ipv4.ip_forward)."""
        return dict(reversed(self._values.items()))

    def begin(self, about: str) -> None:
        """Remember for another trial, known by its digest; "" for none. What was set is kept, or has been put back."""
        if self._values:
            with suppress(OSError):
                self._memory.unlink(missing_ok=True)
        self.about, self._values = about, {}


def _remembered(memory: Path) -> tuple[str, dict[str, str]]:
    found = files.read(memory)
    try:
        about, values = json.loads(found.content) if found is not None else ("", {})
        return str(about), {str(name): str(value) for name, value in values.items()}
    except (ValueError, TypeError, AttributeError):
        return "", {}  # a memory that cannot be read is none
