"""What a field of the model is: wrappers of `dataclasses.field` that say how it is written in the file.

Each puts a `Shape` into the field's metadata; the parser, the JSON Schema, the starting configurations and
the manual are derived from it by `settings_of`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, TypeVar, overload

from appliance.scalars import Scalar

T = TypeVar("T")
D = TypeVar("D")
K = TypeVar("K")

_SHAPE = "shape"
_UNWRITTEN = "unwritten"


@dataclass(frozen=True)
class Value:
    """One value. A secret one is never shown in a message."""

    scalar: Scalar[Any]
    doc: str
    secret: bool = False
    given: str = ""

    @property
    def example(self) -> str:
        """As it may be written; where none was given, its scalar's."""
        return self.given or self.scalar.example


@dataclass(frozen=True)
class Values:
    """A list of values."""

    scalar: Scalar[Any]
    doc: str
    given: tuple[str, ...] = ()

    @property
    def example(self) -> tuple[str, ...]:
        """As they may be written; where none were given, their scalar's."""
        return self.given or (self.scalar.example,)


@dataclass(frozen=True)
class Section:
    """Settings of their own, as a class of the model."""

    type: type
    doc: str


@dataclass(frozen=True)
class Sections:
    """A list of sections."""

    type: type
    doc: str


@dataclass(frozen=True)
class Pairs:
    """Names and values that the user chooses."""

    key: Scalar[Any]
    value: Scalar[Any]
    doc: str


Shape = Value | Values | Section | Sections | Pairs


@dataclass(frozen=True)
class Setting:
    """One field of a class of the model. `default` means nothing where it is required."""

    name: str
    """As it is written in the file."""
    shape: Shape
    required: bool
    default: Any

    @property
    def attribute(self) -> str:
        """The field of the class: a word of Python's cannot be one."""
        return f"{self.name}_" if iskeyword(self.name) else self.name


@overload
def setting(scalar: Scalar[T], doc: str, *, secret: bool = ..., example: str = ...) -> T: ...
@overload
def setting(scalar: Scalar[T], doc: str, *, default: D, secret: bool = ..., example: str = ...) -> T | D: ...
def setting(
    scalar: Scalar[Any], doc: str, *, default: Any = dataclasses.MISSING, secret: bool = False, example: str = ""
) -> Any:
    """One value; required unless there is a default. A secret is left out of `repr` and of every message.

    `example`: for the manual, where the scalar's does not suit.
    """
    return dataclasses.field(default=default, repr=not secret, metadata={_SHAPE: Value(scalar, doc, secret, example)})


def values(scalar: Scalar[T], doc: str, *, default: tuple[T, ...] = (), example: tuple[str, ...] = ()) -> tuple[T, ...]:
    """A list of values, never required."""
    found: tuple[T, ...] = dataclasses.field(default=default, metadata={_SHAPE: Values(scalar, doc, example)})
    return found


@overload
def section(type_: type[T], doc: str) -> T | None: ...
@overload
def section(type_: type[T], doc: str, *, default: T) -> T: ...
def section(type_: type[Any], doc: str, *, default: Any = None) -> Any:
    """Settings of their own, never required by themselves: what a profile needs is in `checks`."""
    return dataclasses.field(default=default, metadata={_SHAPE: Section(type_, doc)})


def sections(type_: type[T], doc: str) -> tuple[T, ...]:
    """A list of sections, never required."""
    found: tuple[T, ...] = dataclasses.field(default=(), metadata={_SHAPE: Sections(type_, doc)})
    return found


def mapping(key: Scalar[K], value: Scalar[T], doc: str) -> Mapping[K, T]:
    """Names and values that the user chooses; required."""
    found: Mapping[K, T] = dataclasses.field(metadata={_SHAPE: Pairs(key, value, doc)})
    return found


def unwritten(default: D) -> D:
    """What the file never says, and no setting is: what was noted about the others when they were filled in."""
    found: D = dataclasses.field(default=default, metadata={_UNWRITTEN: True})
    return found


def settings_of(model: type) -> tuple[Setting, ...]:
    """The settings of a class of the model, in the order in which they are written there."""
    return tuple(
        Setting(
            field.name.removesuffix("_"), field.metadata[_SHAPE], field.default is dataclasses.MISSING, field.default
        )
        for field in dataclasses.fields(model)
        if _SHAPE in field.metadata
    )
