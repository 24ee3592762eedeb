"""The very image for the Zero boots on QEMU's `raspi0`: its own processor (ARMv6), one core, 512 MiB, from the card.

QEMU's model has the host half of the USB port only, and so a device controller is the kernel's `dummy_hcd`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image.lab.card import insert
from image.lab.guest import Guest
from image.lab.home import home_lab
from image.lab.machine import RASPI0
from image.lab.qemu import booted
from image.lab.waiting import until

pytestmark = pytest.mark.vm

CONFIG = """\
profile: gadget
hostname: zero
ssh:
  authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop
uplink:
  interface: eth0
gadget:
  network: auto
  share: route
"""
SERIAL = "00000000c0ffee42"
DAEMON_S = 600
ZERO = replace(
    RASPI0,
    # As the Pi's firmware would have written it.
    dtb_changes=(*RASPI0.dtb_changes, ("/", "serial-number", SERIAL)),
)


@pytest.fixture(scope="module")
def zero(zero_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    folder = tmp_path_factory.mktemp("zero")
    card = insert(zero_image, folder / "card.img")
    try:
        card.put("appliance.yaml", CONFIG)
        with (
            home_lab(folder / "logs") as lab,
            booted(lab, card, ZERO, parameters=["modules-load=dummy_hcd"]) as guest,
        ):
            yield guest
    finally:
        card.path.unlink()


def status(guest: Guest) -> dict[str, Any]:
    """What the daemon says; empty while it says nothing."""
    answer = guest.ask(["appliance", "status", "--json"], timeout_s=120)
    return json.loads(answer.output) if answer.output.startswith("{") else {}


def test_board(zero: Guest) -> None:
    assert zero.run("uname", "-m").strip() == "armv6l"
    assert "Raspberry Pi Zero" in zero.run("cat", "/proc/device-tree/model")
    cpu = zero.run("cat", "/proc/cpuinfo")
    assert re.findall(r"^CPU (?:part|architecture)\s*: (\S+)", cpu, re.MULTILINE) == ["7", "0xb76"], "an ARM1176"
    assert "/dev/mmcblk" in zero.run("findmnt", "-no", "SOURCE", "/")
    memory = re.search(r"MemTotal:\s+(\d+) kB", zero.run("cat", "/proc/meminfo"))
    assert memory
    assert 400 < int(memory[1]) / 1024 < 512


def test_kernel_got_all_of_its_command_line(zero: Guest) -> None:
    """A 32-bit ARM kernel takes 1024 bytes (COMMAND_LINE_SIZE) and drops the rest without a word."""
    assert zero.run("cat", "/proc/cmdline").strip().endswith("modules-load=dummy_hcd")


def test_programs_are_armels(zero: Guest) -> None:
    assert zero.run("dpkg", "--print-architecture").strip() == "armel"


def test_daemon_answers(zero: Guest) -> None:
    until(lambda: status(zero), "the daemon says something", timeout_s=DAEMON_S, every_s=5)
    assert status(zero)["state"] in ("ready", "working", "degraded")
    assert zero.run("systemctl", "is-active", "appliance.service").strip() == "active"


def test_no_unit_has_failed(zero: Guest) -> None:
    assert zero.run("systemctl", "--failed", "--plain", "--no-legend") == ""


def test_daemons_memory(zero: Guest, capfd: pytest.CaptureFixture[str]) -> None:
    pid = zero.run("systemctl", "show", "-P", "MainPID", "appliance.service").strip()
    resident = re.search(r"VmRSS:\s+(\d+) kB", zero.run("cat", f"/proc/{pid}/status"))
    assert resident
    with capfd.disabled():
        print(f"\ndaemon on armel: {int(resident[1]) / 1024:.1f} MiB resident")
    assert int(resident[1]) / 1024 <= 36
