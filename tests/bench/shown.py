"""How figures are shown."""

from __future__ import annotations


def heading(text: str) -> None:
    """What the figures that follow are about."""
    print(f"\n{text}", flush=True)


def figure(what: str, value: str) -> None:
    """One figure, with its unit."""
    print(f"  {what:<44} {value}", flush=True)
