"""`make bench`: the figures, measured now, on this machine. Nothing in here passes or fails.

The cold build starts from an empty cache, packages included, so it takes minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
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

EXAMPLE = Path(__file__).parent / "appliance" / "examples" / "gateway.yaml"
READY_S = 300.0


@dataclass(frozen=True)
class Build:
    """One run of `appliance build`: its seconds as a whole, and of each stage that ran."""

    seconds: float
    stages: dict[str, float]
    image: Path


def main() -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory(prefix="appliance-bench-", dir=Path.home()) as folder:
        config = Path(folder) / "appliance.yaml"
        config.write_text(EXAMPLE.read_text())
        image = _builds(Path(folder), config)
        _boot(Path(folder), image)


def _builds(folder: Path, config: Path) -> Path:
    _heading("build of the gateway image, `debian` base")
    cold = _build(folder, config)
    _figure("cold, nothing cached", f"{cold.seconds:.1f} s")
    for stage, seconds in cold.stages.items():
        _figure(f"  {stage}", f"{seconds:.1f} s")
    _figure("nothing changed", f"{_build(folder, config).seconds:.1f} s")
    config.write_text(config.read_text().replace("hostname: ipv6gw", "hostname: ipv6gate"))
    changed = _build(folder, config)
    _figure("appliance.yaml changed", f"{changed.seconds:.1f} s ({', '.join(changed.stages)})")
    _figure("image", f"{cold.image.stat().st_size / 1e6:.0f} MB")
    _figure("image, on the disk", f"{cold.image.stat().st_blocks * 512 / 1e6:.0f} MB")
    _figure("image, compressed", f"{cold.image.with_name(cold.image.name + '.zst').stat().st_size / 1e6:.0f} MB")
    return changed.image


def _build(folder: Path, config: Path) -> Build:
    argv = [sys.executable, "-m", "appliance", "build", "--json"]
    argv += ["--config", str(config), "--cache", str(folder / "cache"), "-o", str(folder / "dist")]
    began = time.monotonic()
    output = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    events: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    stages = {event["stage"]: event["seconds"] for event in events if event["event"] == "done"}
    (image,) = (Path(event["image"]) for event in events if event["event"] == "result")
    return Build(time.monotonic() - began, stages, image)


def _boot(folder: Path, image: Path) -> None:
    _heading("first boot in QEMU (virt, 2 emulated cores), seconds since the kernel started")
    with _running(folder, image) as guest:
        verdict = guest.verdict(timeout_s=READY_S)
        _figure("verdict", verdict.verdict)
        for what, at_s in _milestones(guest):
            _figure(what, f"{at_s:.1f} s")
        _heading("daemon")
        pid = guest.run("systemctl", "show", "-P", "MainPID", "appliance.service").strip()
        (rss_kib,) = re.findall(r"VmRSS:\s+(\d+) kB", guest.run("cat", f"/proc/{pid}/status"))
        _figure("RSS", f"{int(rss_kib) / 1024:.1f} MiB")
        ticks_before = _cpu_ticks(guest, pid)
        time.sleep(60)
        _figure("CPU while idle for 60 s", f"{(_cpu_ticks(guest, pid) - ticks_before) / 60:.2f} %")


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


def _cpu_ticks(guest: Guest, pid: str) -> int:
    """User and system time in ticks of 10 ms (proc(5), stat fields 14 and 15)."""
    fields = guest.run("cat", f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def _figure(what: str, value: str) -> None:
    print(f"  {what:<28} {value}", flush=True)


if __name__ == "__main__":
    main()
