"""Comparing what is wanted with what is there. Pure.

A spec is a frozen dataclass with a `key` that identifies it. A wanted field that is None matches
anything; an observed spec that nobody wants is removed, so a kind observes only what it owns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar


class Spec(Protocol):
    """One thing of a kind. One whose fields are no words for a person has its own text (`__str__`)."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def key(self) -> str:
        """What identifies it among the specs of its kind, in words that a person understands."""
        ...


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Change(Generic[S]):
    """One difference: `want` None means that it shall go, `have` None that it is not there."""

    want: S | None
    have: S | None

    @property
    def key(self) -> str:
        """The key of the spec that the change is about."""
        return self.want.key if self.want is not None else self.have.key if self.have is not None else ""

    def differences(self) -> list[tuple[str, object, object]]:
        """(field, wanted, observed) of every field that differs, where there are two sides to compare."""
        if self.want is None or self.have is None:
            return []
        names = [field.name for field in fields(self.want) if field.compare]
        triples = [(name, getattr(self.want, name), getattr(self.have, name)) for name in names]
        return [(name, want, have) for name, want, have in triples if want is not None and want != have]

    def __str__(self) -> str:
        if self.have is None:
            return f"{self.key}: missing"
        if self.want is None:
            return f"{self.key}: not wanted"
        if has_words(self.want):
            return f"{self.key}: {self.have} (wanted: {self.want})"
        return f"{self.key}: " + ", ".join(_told(*triple) for triple in self.differences())


def has_words(spec: Spec) -> bool:
    """Whether a spec is told by a text of its own."""
    return type(spec).__str__ is not object.__str__


def _told(name: str, want: object, have: object) -> str:
    """A file's content may hold a secret and is never shown."""
    return f"{name} differs" if isinstance(want, bytes) else f"{name} is {have}, wanted {want}"


def diff(want: Iterable[S], have: Iterable[S]) -> tuple[Change[S], ...]:
    """What separates the observed specs from the wanted ones: removals first, in the order given."""
    wanted = {spec.key: spec for spec in want}
    observed = {spec.key: spec for spec in have}
    removals = [Change(None, spec) for key, spec in observed.items() if key not in wanted]
    compared = [Change(spec, observed.get(key)) for key, spec in wanted.items()]
    return (*removals, *(change for change in compared if change.have is None or change.differences()))
