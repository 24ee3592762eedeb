"""Asking the daemon over the system bus, by systemd's own `busctl`: a D-Bus library takes a Zero seconds to load."""

from __future__ import annotations

import json
import re
from typing import Any

from appliance.errors import InputError, TemporaryError
from firstboot.cli import status
from firstboot.command import run

_NAME, _PATH = "org.appliance.Appliance1", "/org/appliance/Appliance1"


def asked(method: str, *arguments: str) -> dict[str, Any]:
    """What a method of the daemon's answers. Raises `InputError` for what it does not know."""
    return dict(json.loads(json.loads(_called(method, *arguments))["data"][0]))


def told(method: str) -> None:
    """Have the daemon do something that it does not answer. Raises `InputError` where there is nothing to be done."""
    _called(method)


def _called(method: str, *arguments: str) -> str:
    status.require_daemon()
    signature = ["s" * len(arguments), *arguments] if arguments else []
    try:
        return run(["busctl", "--json=short", "call", _NAME, _PATH, _NAME, method, *signature])
    except TemporaryError as error:
        if found := re.search(r"there is no part called .*|no configuration is on trial.*", error.message):
            message, _, hint = found[0].partition(" (")
            raise InputError(message, hint=hint.removesuffix(")")) from error
        raise
