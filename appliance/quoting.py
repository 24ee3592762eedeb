"""How a value from the file is shown in a message."""

from __future__ import annotations

SHOWN_MAX = 40  # characters: longer values push the explanation off the screen


def quoted(text: str) -> str:
    """Give the value in quotes, cut where it is long, with control characters made visible."""
    shown = text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown) + '"'
