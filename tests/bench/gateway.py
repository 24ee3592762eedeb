"""The gateway: how long its image takes to build and to boot, and what its daemon takes while it runs.

The cold build starts from an empty cache, packages included, so it takes minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import parse
from image.lab.card import insert
from image.lab.gateway import gateway_lab
from image.lab.guest import Guest
from image.lab.machine import VIRT
from image.lab.qemu import booted
from tests.bench import daemon
from tests.bench.shown import figure, heading

EXAMPLE = Path(__file__).parents[1] / "appliance" / "examples" / "gateway.yaml"
READY_S = 300.0


@dataclass(frozen=True)
class Build:
    """One run of `appliance build`: its seconds as a whole, and of each stage that ran."""

    seconds: float
    stages: dict[str, float]
    image: Path


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty."""
    config = folder / "appliance.yaml"
    config.write_text(EXAMPLE.read_text())
    _boot(folder, _builds(folder, config))


def _builds(folder: Path, config: Path) -> Path:
    heading("build of the gateway image, `debian` base")
    cold = _build(folder, config)
    figure("cold, nothing cached", f"{cold.seconds:.1f} s")
    for stage, seconds in cold.stages.items():
        figure(f"  {stage}", f"{seconds:.1f} s")
    figure("nothing changed", f"{_build(folder, config).seconds:.1f} s")
    config.write_text(config.read_text().replace("hostname: ipv6gw", "hostname: ipv6gate"))
    changed = _build(folder, config)
    figure("appliance.yaml changed", f"{changed.seconds:.1f} s ({', '.join(changed.stages)})")
    figure("image", f"{cold.image.stat().st_size / 1e6:.0f} MB")
    figure("image, on the disk", f"{cold.image.stat().st_blocks * 512 / 1e6:.0f} MB")
    figure("image, compressed", f"{cold.image.with_name(cold.image.name + '.zst').stat().st_size / 1e6:.0f} MB")
    return changed.image


def _build(folder: Path, config: Path) -> Build:
    argv = [sys.executable, "-m", "appliance", "build", "--json", "--format", "img,zst"]
    argv += ["--config", str(config), "--cache", str(folder / "cache"), "-o", str(folder / "dist")]
    began = time.monotonic()
    output = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    events: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    stages = {event["stage"]: event["seconds"] for event in events if event["event"] == "done"}
    (packed,) = (Path(event["image"]) for event in events if event["event"] == "result")
    return Build(time.monotonic() - began, stages, packed.with_suffix(""))


def _boot(folder: Path, image: Path) -> None:
    heading("first boot in QEMU (virt, 2 emulated cores), seconds since the kernel started")
    with _running(folder, image) as guest:
        verdict = guest.verdict(timeout_s=READY_S)
        figure("verdict", verdict.verdict)
        for what, at_s in _milestones(guest):
            figure(what, f"{at_s:.1f} s")
        daemon.measure(guest)


@contextmanager
def _running(folder: Path, image: Path) -> Iterator[Guest]:
    config = EXAMPLE.read_text()
    card = insert(image, folder / "card.img")
    card.put("appliance.yaml", config)
    appliance = parse.parse_text(config.encode(), EXAMPLE.name).appliance
    with gateway_lab(appliance, folder / "logs") as lab, booted(lab, card, VIRT) as guest:
        yield guest


def _milestones(guest: Guest) -> Iterator[tuple[str, float]]:
    """From the journal's monotonic clock; the first line that says each."""
    journal = guest.run("journalctl", "-b", "-o", "short-monotonic", "--no-pager")
    for what, text in (
        ("init started", "systemd["),
        ("firewall started", "Finished ufw.service"),
        ("daemon started", "Starting appliance.service"),
        ("tunnel up", "tunnel: make tunnel"),
        ("everything right", "Started appliance.service"),
    ):
        found = re.search(rf"^\[\s*([\d.]+)\].*{re.escape(text)}", journal, re.MULTILINE)
        if found:
            yield what, float(found[1])
