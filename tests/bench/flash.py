"""Writing an image to a file in place of a card: seconds, and seconds of a core, beside other programs that do it.

The others do not read back what they wrote; so that step is told apart.
"""

from __future__ import annotations

import json
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.shown import figure, heading

CARD_BYTES = 4 << 30


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    _appliance("build", "-o", folder / "image")
    [image] = (folder / "image").glob("*.img.zst")
    block_map, card = image.with_name(image.name.replace(".img.zst", ".bmap")), folder / "card"
    needed = sum(event.get("written_bytes", 0) for event in _flash(image, card))
    heading(f".img.zst of {image.stat().st_size / 1e6:.0f} MB to a file; by its .bmap {needed / 1e6:.0f} MB are needed")
    _shown("appliance flash", image, card)
    _other("bmaptool copy", ["bmaptool", "copy", "--bmap", block_map, image, card], card)
    block_map.unlink()
    _shown("appliance flash, without a .bmap", image, card)
    pipe = f"zstd -qdc {shlex.quote(str(image))} | dd of={shlex.quote(str(card))} bs=4M conv=fsync,notrunc status=none"
    _other("zstd -dc | dd conv=fsync", ["sh", "-c", pipe], card)


def _shown(what: str, image: Path, card: Path) -> None:
    began, worked = time.monotonic(), _worked_s()
    stages = {event["stage"]: event["seconds"] for event in _flash(image, card) if event["event"] == "done"}
    seconds, work = time.monotonic() - began, _worked_s() - worked
    each = ", ".join(f"{stage} {taken:.1f}" for stage, taken in stages.items())
    figure(what, f"{seconds:.1f} s ({each}), {work:.1f} s of a core")


def _other(what: str, argv: list[str | Path], card: Path) -> None:
    _blank(card)
    began, worked = time.monotonic(), _worked_s()
    subprocess.run(argv, check=True, capture_output=True)
    seconds, work = time.monotonic() - began, _worked_s() - worked
    figure(what, f"{seconds:.1f} s, nothing read back, {work:.1f} s of a core")


def _worked_s() -> float:
    """Processor time of all programs that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _flash(image: Path, card: Path) -> list[dict[str, Any]]:
    _blank(card)
    return _appliance("flash", image, card, "--force")


def _blank(card: Path) -> None:
    with card.open("wb") as writer:
        writer.truncate(CARD_BYTES)


def _appliance(*words: str | Path) -> list[dict[str, Any]]:
    """The events of a command that must succeed."""
    argv = [sys.executable, "-m", "appliance", *map(str, words), "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
