"""Every setting of appliance.yaml, section by section, as tables: taken from the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from appliance.model import Appliance
from appliance.scalars import BOOLEAN, Scalar
from appliance.settings import Pairs, Section, Sections, Setting, Shape, Value, Values, settings_of
from image.manual.blocks import Table

HEAD = ("Setting", "What it is", "Allowed", "Default", "Example")
REQUIRED = "none: it is required"
FEW = 10
"""Fewer choices than this are all told."""


@dataclass(frozen=True)
class Described:
    """A section: where it is written, what its settings are."""

    path: str
    """As in messages, with [] where it is one of a list; "" for the file itself."""
    about: str
    settings: tuple[Setting, ...]
    table: Table


def sections() -> Iterator[Described]:
    """The file itself, then each of its sections, followed by what is in it."""
    yield from _sections("", "", Appliance)


def _sections(path: str, about: str, model: type) -> Iterator[Described]:
    settings = settings_of(model)
    rows = tuple(_row(setting, _inside(path, setting)) for setting in settings)
    yield Described(path, about, settings, Table(HEAD, rows))
    for setting in settings:
        if isinstance(setting.shape, Section | Sections):
            yield from _sections(_inside(path, setting), _about(setting.shape), setting.shape.type)


def _inside(path: str, setting: Setting) -> str:
    """The path of what is in a section."""
    several = "[]" if isinstance(setting.shape, Sections) else ""
    return f"{path}.{setting.name}{several}" if path else f"{setting.name}{several}"


def _about(shape: Section | Sections) -> str:
    """Of a list, what it is for and what one of it is."""
    one = " ".join((shape.type.__doc__ or "").split("\n\n")[0].split())
    return f"A list, or one alone: {shape.doc}. {one}" if isinstance(shape, Sections) else one


def _row(setting: Setting, path: str) -> tuple[str, ...]:
    shape = setting.shape
    default = REQUIRED if setting.required else _code(_default(shape, setting.default))
    return (f"`{setting.name}`", shape.doc, _allowed(shape, path), default, _code(example(setting)))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _allowed(shape: Shape, path: str) -> str:
    match shape:
        case Value():
            secret = "; never shown in a message" if shape.secret else ""
            return f"{_of(shape.scalar)}{secret}"
        case Values():
            return f"{_of(shape.scalar)}; one, or a list"
        case Section():
            return f"the section `{path}`"
        case Sections():
            return f"the sections `{path}`"
        case Pairs():
            return f"pairs of {_of(shape.key)}, and {_of(shape.value)}"


def _of(scalar: Scalar[Any]) -> str:
    """A sort of value: all the choices where there are few, else its name and what must hold for it."""
    choices = scalar.schema.get("enum", ())
    if scalar is BOOLEAN or 0 < len(choices) < FEW:
        return ", ".join(f"`{choice}`" for choice in scalar.allowed.split(", "))
    return f"{scalar.name} ({scalar.rule})" if scalar.rule else scalar.name


def _default(shape: Shape, default: Any) -> str:
    """As it would be written; "" where that is nothing."""
    if isinstance(shape, Value):
        return shape.scalar.show(default) if default is not None else _word_for_nothing(shape.scalar)
    if isinstance(shape, Values) and default:
        return _listed([shape.scalar.show(each) for each in default])
    return ""


def _word_for_nothing(scalar: Scalar[Any]) -> str:
    """Some have a word that means the same as to leave the setting out, such as `auto`."""
    word = scalar.show(None)
    try:
        return word if scalar.parse(word) is None else ""
    except ValueError:
        return ""


def example(setting: Setting) -> str:
    """A line of the file; "" for a section, which has more of them."""
    match setting.shape:
        case Value():
            return f"{setting.name}: {_quoted(setting.shape.example)}"
        case Values():
            return f"{setting.name}: {_listed([_quoted(each) for each in setting.shape.example])}"
        case Pairs():
            return f'{setting.name}: {{"{setting.shape.key.example}": {_quoted(setting.shape.value.example)}}}'
        case _:
            return ""


def _listed(items: list[str]) -> str:
    return f"[{', '.join(items)}]" if len(items) > 1 else items[0]


def _quoted(text: str) -> str:
    """In quotes where YAML would take it for something else."""
    return text if re.fullmatch(r"[\w./:-][\w./:@+ -]*", text) and not re.search(r": |:$", text) else f'"{text}"'
