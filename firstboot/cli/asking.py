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
    status.require_daemon()
    signature = ["s" * len(arguments), *arguments] if arguments else []
    try:
        reply = run(["busctl", "--json=short", "call", _NAME, _PATH, _NAME, method, *signature])
    except TemporaryError as error:
        if found := re.search(r"there is no part called .*", error.message):
            message, _, hint = found[0].partition(" (")
            raise InputError(message, hint=hint.removesuffix(")")) from error
        raise
    return dict(json.loads(json.loads(reply)["data"][0]))
