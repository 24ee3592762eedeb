"""What is remembered of the broker while the machine is off, and between two daemons.

A Pi has no clock that goes on without power, and the time of day may jump, so neither is asked. While the machine runs,
a cool-down is counted by CLOCK_BOOTTIME, whose times stand in a file that goes with the power. The file that stays says
only whether it was over: if not, all of it is waited for again, so a machine that is restarted often waits for longer,
and never asks too early.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError
from firstboot import files
from firstboot.broker.answers import Word
from firstboot.broker.memory import Memory

_SECRET = 0o600
"""Of an account there is only a digest in here, but a password may be weak."""

log = logging.getLogger("appliance")


def remember(memory: Memory, lasting: Path, fleeting: Path, now_s: float) -> None:
    """Write it down. A disk that is full stops nothing: what goes with the power is elsewhere."""
    content = {**asdict(memory), "is_over": now_s >= max(memory.deadlines_s())}
    for name in ("told_by", "address", "asked_by"):
        content[name] = str(content[name]) if content[name] is not None else None
    for path in (fleeting, lasting):
        try:
            files.replace(path, f"{json.dumps(content)}\n".encode(), _SECRET)
        except ApplianceError as error:
            log.warning("%s", error)


def remembered(lasting: Path, fleeting: Path, now_s: float) -> Memory:
    """What was written down. What cannot be read may have been a call a moment ago."""
    unknown = Memory(word=Word.UNKNOWN, asked_s=now_s)
    try:
        state = files.read(fleeting)
        is_of_this_boot = state is not None
        state = state or files.read(lasting)
        if state is None:
            return Memory()
        content = json.loads(state.content)
        is_over = content.pop("is_over")
        found = _read(content)
    except (ApplianceError, ValueError, TypeError, KeyError, AttributeError):
        log.warning("what is known of the tunnel broker cannot be read: it is asked again, in a minute")
        return unknown
    if is_of_this_boot:
        return replace(found, asked_s=min(found.asked_s, now_s))
    return replace(found, asked_s=-math.inf if is_over else now_s)


def _read(content: dict[str, Any]) -> Memory:
    for name in ("told_by", "address", "asked_by"):
        content[name] = IPv4Address(content[name]) if content[name] is not None else None
    content["word"] = Word(content["word"]) if content["word"] is not None else None
    for name, type_ in (("tunnel", int), ("asked_s", float), ("repeats", int), ("unfounded", int)):
        content[name] = type_(content[name])
    return Memory(**content)
