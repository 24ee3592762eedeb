"""What would be done and why, for people and programs. Nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from appliance.errors import ApplianceError, Mark
from appliance.model import Appliance
from firstboot.kind import Kind, Machine
from firstboot.plan import Change, Spec, diff
from firstboot.status import line_of


@dataclass(frozen=True)
class Intent:
    """What is wanted of a kind, what is there, and what would be done about the difference, in words.

    `error`: why nothing can be said. `line`: the one of appliance.yaml that wants it; None where there is none.
    """

    kind: str
    setting: str
    line: int | None
    desired: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


def intent(appliance: Appliance, kind: Kind[Any], machine: Machine, marks: Mapping[str, Mark]) -> Intent:
    """The present one of a kind."""
    line = line_of(kind.setting, marks)
    try:
        want = kind.desired(appliance, machine.facts())
        have = kind.observe(machine, want)
        changes = diff(want, have)
    except ApplianceError as error:
        return Intent(kind.name, kind.setting, line, error=error.message, hint=error.hint)
    return Intent(
        kind.name,
        kind.setting,
        line,
        desired=tuple(map(shown, want)),
        observed=tuple(map(shown, have)),
        difference=tuple(map(str, changes)),
        actions=_actions(kind, changes),
    )


def shown(spec: Spec) -> str:
    """A spec in one line. What a file has in it may be a secret, and is never shown."""
    known = [(field.name, getattr(spec, field.name)) for field in fields(spec) if field.repr and field.compare]
    told = ", ".join(f"{name} {_told(value)}" for name, value in known if value is not None)
    return f"{spec.key}: {told}"


def _told(value: object) -> str:
    if isinstance(value, bytes):
        return f"of {len(value)} bytes"
    if isinstance(value, (tuple, frozenset)):
        return f"({len(value)})" if len(value) > 4 else "(" + ", ".join(map(str, value)) + ")"
    return str(value) if value != "" else "none"


def _actions(kind: Kind[Any], changes: Sequence[Change[Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(action) for change in changes for action in kind.actions(change)))
