"""Images for many devices out of one: seconds, and bytes of disk that are taken anew, for 1, 10 and 100 of them.

Beside it what the same costs without `appliance stamp`: compressing the whole image afresh for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from image.cache.store import remove
from image.run import run
from image.stamp.device import SHARED
from tests.bench.shown import figure, heading

EXAMPLE = Path(__file__).parents[1] / "appliance" / "examples" / "gateway.yaml"
HOSTNAME = "hostname: ipv6gw"
DEVICES = (1, 10, 100)
SINGLE = (1, 10)
"""A hundred whole files would be 30 GB where the file system shares nothing."""


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    config = folder / "appliance.yaml"
    config.write_text(EXAMPLE.read_text())
    _appliance("build", "--config", config, "-o", folder / "image")
    images = sorted(file for file in (folder / "image").iterdir() if file.suffix in (".img", ".zst"))
    plain = folder / "plain.img"
    run(["zstd", "-q", "-d", "--sparse", images[-1], "-o", plain])
    kind = run(["findmnt", "--noheadings", "--output=FSTYPE", "--target", folder]).strip()
    heading(f"an image of {plain.stat().st_size / 1e6:.0f} MB stamped for devices, on {kind}")
    for image in images:
        for number in DEVICES:
            _stamp(image, number, folder)
    for number in SINGLE:
        _stamp(images[-1], number, folder, "--single")
    _afresh(plain, folder)


def _stamp(image: Path, number: int, folder: Path, *options: str) -> None:
    """One run of the command, and what it left."""
    configs = [folder / f"device-{one}.yaml" for one in range(number)]
    for config in configs:
        config.write_text(EXAMPLE.read_text().replace(HOSTNAME, f"hostname: {config.stem}"))
    out = folder / "out"
    began = time.monotonic()
    events = _appliance("stamp", image, "--config", *configs, "-o", out, *options)
    seconds = time.monotonic() - began
    each = [event["seconds"] for event in events if event["event"] == "stamped"]
    inodes = {file.stat().st_ino: file.stat() for file in out.rglob("*") if file.is_file() and file.name != SHARED}
    own = sum(about.st_blocks * 512 for about in inodes.values())
    shared = next((file.stat().st_blocks * 512 for file in out.rglob(SHARED)), 0)
    what = (
        f"{image.suffix[1:]}, {number:3d} device{'s' if number > 1 else ''}{' ' if options else ''}{' '.join(options)}"
    )
    figure(f"{what}: all", f"{seconds:.1f} s, {(own + shared) / 1e6:.1f} MB")
    figure(
        f"{what}: of its own",
        f"{sum(each) / number:.3f} s and {own / number / 1e6:.3f} MB each (longest {max(each):.3f} s)",
    )
    remove(out)


def _afresh(image: Path, folder: Path) -> None:
    """What a device costs without: measured once, as the next one costs the same."""
    packed = folder / "afresh.img.zst"
    began = time.monotonic()
    run(["zstd", "-q", "-T0", "-3", image, "-o", packed])
    seconds = time.monotonic() - began
    figure(
        "compressed afresh with zstd -T0 -3", f"{seconds:.1f} s and {packed.stat().st_blocks * 512 / 1e6:.0f} MB each"
    )
    packed.unlink()


def _appliance(*words: str | Path) -> list[dict[str, Any]]:
    """The events of a command that must succeed."""
    argv = [sys.executable, "-m", "appliance", *map(str, words), "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
