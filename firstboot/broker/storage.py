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
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from appliance.errors import ApplianceError
from appliance.he import BrokerTunnel
from firstboot import files
from firstboot.broker.answers import Word
from firstboot.broker.description import Description
from firstboot.broker.memory import Asked, Memory

_SECRET = 0o600
"""Of an account there is only a digest in here, but a password may be weak."""

A = TypeVar("A", bound=Asked)
log = logging.getLogger("appliance")


def remember(known: Memory | Description, lasting: Path, fleeting: Path, now_s: float) -> None:
    """Write it down. A disk that is full stops nothing: what goes with the power is elsewhere."""
    content = {**asdict(known), "is_over": now_s >= max(known.deadlines_s())}
    for path in (fleeting, lasting):
        try:
            files.replace(path, f"{json.dumps(content, default=str)}\n".encode(), _SECRET)
        except ApplianceError as error:
            log.warning("%s", error)


def remembered(lasting: Path, fleeting: Path, now_s: float) -> Memory:
    """What was written down of the broker's record."""
    return _remembered(_memory, Memory(), lasting, fleeting, now_s)


def remembered_description(lasting: Path, fleeting: Path, now_s: float) -> Description:
    """What was written down of what the tunnel is."""
    return _remembered(_description, Description(), lasting, fleeting, now_s)


def _remembered(read: Callable[[dict[str, Any]], A], nothing: A, lasting: Path, fleeting: Path, now_s: float) -> A:
    """What cannot be read may have been a call a moment ago."""
    try:
        state = files.read(fleeting)
        is_of_this_boot = state is not None
        state = state or files.read(lasting)
        if state is None:
            return nothing
        content = json.loads(state.content)
        is_over = content.pop("is_over")
        found = read(content)
    except (ApplianceError, ValueError, TypeError, KeyError, AttributeError):
        log.warning("what is known of the tunnel broker cannot be read: it is asked again, in a minute")
        return replace(nothing, word=Word.UNKNOWN, asked_s=now_s)
    if is_of_this_boot:
        return replace(found, asked_s=min(found.asked_s, now_s))
    return replace(found, asked_s=-math.inf) if is_over else found.begun_anew(now_s)


def _memory(content: dict[str, Any]) -> Memory:
    _decode(content, IPv4Address, "told_by", "address")
    _decode(content, int, "unfounded")
    return Memory(**_asked(content))


def _description(content: dict[str, Any]) -> Description:
    _decode(content, _tunnel, "said", "heard")
    return Description(**_asked(content))


def _asked(content: dict[str, Any]) -> dict[str, Any]:
    _decode(content, IPv4Address, "asked_by")
    _decode(content, Word, "word")
    _decode(content, int, "tunnel", "repeats")
    _decode(content, float, "asked_s")
    return content


def _tunnel(content: Mapping[str, Any]) -> BrokerTunnel:
    return BrokerTunnel(
        IPv4Address(content["server"]),
        IPv6Interface(content["address"]),
        IPv6Network(content["routed"]),
        number=int(content["number"]),
        routed48=IPv6Network(content["routed48"]) if content["routed48"] is not None else None,
    )


def _decode(content: dict[str, Any], type_: Callable[[Any], object], *names: str) -> None:
    for name in names:
        content[name] = type_(content[name]) if content[name] is not None else None
