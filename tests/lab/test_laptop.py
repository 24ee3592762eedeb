"""What the kernel's command line must hold for the laptop, and what lies on the tools drive."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from image.cache.store import Store
from image.cli.build import default_cache
from image.events import Events
from image.lab import guest, laptop
from image.lab.machine import VIRT
from image.lab.tools import SCRIPTS, tools_drive
from image.run import run

COMMAND_LINE_BYTES = 2048
"""What an arm64 kernel takes (COMMAND_LINE_SIZE)."""
OF_THE_CARD = 300
PROGRAMS = (
    "usr/bin/curl",
    "usr/bin/dig",
    "usr/bin/iperf3",
    "usr/sbin/dhcpcd",
    "usr/sbin/hostapd",
    "usr/sbin/wpa_supplicant",
)


def test_command_line_has_room() -> None:
    words = [*VIRT.parameters, *guest.kernel_parameters(VIRT.line), *laptop.kernel_parameters()]
    assert len(" ".join(words)) < COMMAND_LINE_BYTES - OF_THE_CARD


def test_laptop_is_made_before_the_controller_appears() -> None:
    [credential] = [word for word in laptop.kernel_parameters() if "extra-unit" in word]
    unit = base64.b64decode(credential.rpartition(":")[2]).decode()
    assert "Before=systemd-udevd.service systemd-modules-load.service" in unit.splitlines()
    assert unit.splitlines()[-1].endswith("/begin-laptop")


@pytest.mark.build
def test_drive() -> None:
    with Path("/dev/null").open("w") as nowhere:
        drive = tools_drive(Store(default_cache()), Events(nowhere))
    for path in (*PROGRAMS, *(script.name for script in SCRIPTS)):
        assert "Type: regular" in run(["debugfs", "-R", f"stat /{path}", drive])
    assert "Type: symlink" in run(["debugfs", "-R", "stat /bin", drive])
