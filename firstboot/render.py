"""Templates: the only module that knows jinja2, which is imported at the first use (2.4 s on a Pi Zero)."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


HTML = "html.j2"
"""Templates that end so may be filled in with whatever strangers say."""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # The others are configuration files; the parser admits no control characters.
        autoescape=select_autoescape([HTML]),
    )


@lru_cache(maxsize=64)
def render(template: str, **values: Hashable) -> str:
    """A template of `templates/`, filled in; a value that it names and does not get is an error.

    Several kinds ask for the same text in every pass: it is made again only for other values.
    """
    return _environment().get_template(template).render(**values)


def render_once(template: str, **values: object) -> str:
    """The same of what is seldom the same twice: it is not kept."""
    return _environment().get_template(template).render(**values)
