"""Templates: the only module that knows jinja2, which is imported at the first use (2.4 s on a Pi Zero)."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (configuration files, not HTML; the parser admits no control characters)
    )


@lru_cache(maxsize=64)
def render(template: str, **values: Hashable) -> str:
    """A template of `templates/`, filled in; a value that it names and does not get is an error.

    Several kinds ask for the same text in every pass: it is made again only for other values.
    """
    return _environment().get_template(template).render(**values)
