"""How figures are shown."""

from __future__ import annotations

from collections.abc import Sequence


def heading(text: str) -> None:
    """What the figures that follow are about."""
    print(f"\n{text}", flush=True)


def figure(what: str, value: str) -> None:
    """One figure, with its unit."""
    print(f"  {what:<44} {value}", flush=True)


def judged(what: str, value: str, limit: str, *, reached: bool) -> None:
    """One figure, what it is to be, and whether it is: nobody fails for it, whoever reads it knows."""
    figure(what, f"{value}   [{limit}: {'reached' if reached else 'missed'}]")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Figures side by side, as Markdown has them."""
    lines = [columns, ["---"] * len(columns), *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |", flush=True)
