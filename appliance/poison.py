"""What stands in the model for a value that could not be read, while the rest is still checked.

A file's problems are all reported at once, those that involve several settings too. Where one of these
settings could not be read, nothing can be said: touching it ends that check, quietly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class UnreadError(Exception):
    """A check needs a value that could not be read; that problem is already reported."""


def _refuse(*_: Any) -> NoReturn:
    raise UnreadError


class Unread:
    """Stands for a value that could not be read. Whatever is done with it raises UnreadError."""

    __getattr__ = __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __contains__ = __iter__ = __len__ = __getitem__ = __hash__ = __str__ = __int__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = _refuse


UNREAD: Any = Unread()


def until_unread(found: Iterator[T]) -> Iterator[T]:
    """Give what a check finds before it comes to a value that could not be read."""
    with suppress(UnreadError):
        yield from found
