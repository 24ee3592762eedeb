"""The configuration, but for one setting: so that it can be seen what follows from that one. Pure.

A path is written as in `parse.Parsed.marks`: `tunnel.server`, `firewall.allow_in[0].tcp`,
`routing.sysctl[0].set[NAME]`. What comes out is never put in force, so the parser need not take it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from functools import singledispatch
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from appliance.model import Appliance
from appliance.settings import Pairs, Section, Sections, Setting, Values, settings_of

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_NOTHING: tuple[object, ...] = (None, (), {})


def value_at(appliance: Appliance, path: str) -> Any:
    """What a setting is, given or by default; None where there is nothing of that path."""
    value: Any = appliance
    for step in _steps(path):
        value = _inner(value).get(step)
    return value if value not in _NOTHING else None


def parts_of(appliance: Appliance, path: str) -> Sequence[str]:
    """The settings in a section, the items of a list, or of all the file (""), of which there is something."""
    inner = _inner(value_at(appliance, path) if path else appliance)
    listed = isinstance(value_at(appliance, path) if path else appliance, (tuple, Mapping))
    names = [name for name, value in inner.items() if value not in _NOTHING]
    return [f"{path}[{name}]" if listed else f"{path}.{name}".removeprefix(".") for name in names]


def without(appliance: Appliance, path: str) -> Appliance:
    """The same, had the setting another value; without the section or the item, where that is what the path names.

    The path is of something that there is.
    """
    found: Appliance = _without(appliance, _steps(path))
    return found


def _steps(path: str) -> Sequence[str]:
    """`a.b[0]` in its steps; where it is of no such notation, one that leads nowhere."""
    found = list(_STEP.finditer(path))
    return [step[1] or step[2] for step in found] if found and "".join(step[0] for step in found) == path else [""]


def _inner(owner: Any) -> Mapping[str, Any]:
    """What is in a section, a list or pairs, by the step that leads there; nothing in a value."""
    if isinstance(owner, Mapping):
        return owner
    if isinstance(owner, tuple):
        return {str(number): item for number, item in enumerate(owner)}
    if is_dataclass(owner) and all(field.metadata for field in fields(owner)):  # a range is a value
        return {setting.name: getattr(owner, setting.attribute) for setting in settings_of(type(owner))}
    return {}


def _without(owner: Any, steps: Sequence[str]) -> Any:
    step, rest = steps[0], steps[1:]
    inner = _inner(owner)
    if isinstance(owner, (tuple, Mapping)):
        changed = {step: _without(inner[step], rest)} if rest else {}
        kept = {name: value for name, value in inner.items() if rest or name != step} | changed
        return tuple(kept.values()) if isinstance(owner, tuple) else kept
    setting = next(setting for setting in settings_of(type(owner)) if setting.name == step)
    return replace(owner, **{setting.attribute: _without(inner[step], rest) if rest else _instead(owner, setting)})


def _instead(owner: Any, setting: Setting) -> Any:
    if isinstance(setting.shape, Values | Sections):
        return ()
    if isinstance(setting.shape, Section):
        return setting.default
    return {} if isinstance(setting.shape, Pairs) else other(getattr(owner, setting.attribute))


@singledispatch
def other(value: Any) -> Any:
    """Another value of the same type."""
    # Whatever has no case of its own is a range.
    return replace(value, **{field.name: other(getattr(value, field.name)) for field in fields(value)})


@other.register
def _(value: bool) -> bool:
    return not value


@other.register
def _(value: int) -> int:
    return value + 1


@other.register
def _(value: str) -> str:
    return f"{value}_"


@other.register
def _(value: StrEnum) -> StrEnum:
    members = list(type(value))
    return members[(members.index(value) + 1) % len(members)]


@other.register(IPv4Address)
@other.register(IPv6Address)
def _(value: IPv4Address | IPv6Address) -> Any:
    return type(value)(_far(int(value), value.max_prefixlen))


@other.register(IPv4Network)
@other.register(IPv6Network)
def _(value: IPv4Network | IPv6Network) -> Any:
    return type(value)((_far(int(value.network_address), value.max_prefixlen), value.prefixlen))


@other.register(IPv4Interface)
@other.register(IPv6Interface)
def _(value: IPv4Interface | IPv6Interface) -> Any:
    return type(value)((_far(int(value.ip), value.max_prefixlen), value.network.prefixlen))


def _far(address: int, length: int) -> int:
    """An address that is in no network of the first one's."""
    return address ^ (1 << (length - 1))
