"""Asking the daemon over the system bus."""

from __future__ import annotations

import json
from typing import Any

from firstboot.bus_names import INTERFACE, NAME, PATH
from firstboot.call import called
from firstboot.cli import status


def asked(method: str, *texts: str) -> dict[str, Any]:
    """What a method of the daemon's answers. Raises the error that it ends with."""
    return dict(json.loads(_called(method, *texts)))


def told(method: str) -> None:
    """Have the daemon do something that it does not answer. Raises the error that it ends with."""
    _called(method)


def _called(method: str, *texts: str) -> str:
    status.require_daemon()
    return called(NAME, PATH, INTERFACE, method, *texts)
