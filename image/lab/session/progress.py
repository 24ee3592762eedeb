"""What is worth telling of a machine that comes up, and of every change after that. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from image.lab.session.scene import Seen

CONSOLE = (
    (re.compile(r"Linux version (\S+)"), "kernel: Linux {}"),
    (re.compile(r"Run /init as init process()"), "initrd: runs"),
    (re.compile(r"systemd\[1\]: Detected architecture (\S+?)\.?\s"), "systemd: runs, on {}"),
)
"""What the console shows, in this order, and what it means."""

Status = Mapping[str, Any]
"""What the daemon tells: its status.json; empty while it has said nothing."""


def milestones(console: str) -> list[str]:
    """What has been reached, by the text of the console."""
    found = ((pattern.search(console), words) for pattern, words in CONSOLE)
    return [words.format(match[1]) for match, words in found if match]


def changes(before: Status, after: Status) -> Iterator[str]:
    """The sentences for what the daemon says otherwise than before. At first, only what is not right yet."""
    if not after:
        return
    known, now = _kinds(before), _kinds(after)
    for name, (state, error) in now.items():
        if known.get(name, ("ok", "")) != (state, error):
            yield f"{name}: {state}" + (f": {error}" if error else "")
    for what, said in _others(after).items():
        if said and said != _others(before).get(what):
            yield f"{what}: {said}"
    if _said(before) != _said(after):
        yield f"the appliance says: {_said(after)}"


def sights(before: Sequence[Seen], after: Sequence[Seen]) -> Iterator[str]:
    """The sentences for what is seen from around the Pi otherwise than before."""
    known = {seen.what: seen.said for seen in before}
    yield from (f"{seen.what}: {seen.said}" for seen in after if known.get(seen.what) != seen.said)


def lacking(expected: str, status: Status, seen: Sequence[Seen]) -> list[str]:
    """What keeps it from being as expected; empty if it is. Around a Pi that is ready all must be right as well."""
    if status.get("state") != expected:
        said = [f"{name}: {error}" for name, (_, error) in _kinds(status).items() if error]
        return [f"the appliance says {_said(status)}, not {expected}", *said]
    if expected != "ready":
        return []
    return [f"{each.what}: {each.said}" for each in seen if not each.is_right] if seen else ["nobody has looked yet"]


def _said(status: Status) -> str:
    """The state, and beside it the word that `appliance status` begins with, where that is worse."""
    return f"{status.get('state', 'silent')}{' (BROKEN)' if status.get('sign') == 'broken' else ''}"


def _kinds(status: Status) -> dict[str, tuple[str, str]]:
    return {kind["kind"]: (kind["state"], kind["error"]) for kind in status.get("kinds", [])}


def _others(status: Status) -> dict[str, str]:
    tunnel = status.get("tunnel") or {}
    problems = [f"line {each['line']}: {each['message']}" for each in status.get("problems", [])]
    return {
        "Wi-Fi": status.get("wifi", ""),
        "the tunnel": tunnel.get("sentence", ""),
        "on trial": status.get("trial", ""),
        "appliance.yaml": "; ".join(problems),
    }
