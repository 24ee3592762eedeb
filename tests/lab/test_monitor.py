"""QEMU's monitor, with a real QEMU that has a network card and nothing to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image import run as door
from image.lab.monitor import FILE, Monitor
from image.lab.waiting import until

MACHINE = ["qemu-system-aarch64", "-M", "virt", "-nodefaults", "-display", "none", "-S"]
NIC = ["-netdev", "socket,id=net0,listen=127.0.0.1:0", "-device", "virtio-net-pci,romfile=,netdev=net0"]


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    with door.running([*MACHINE, *NIC, *Monitor.words(tmp_path)], log=tmp_path / "qemu.log"):
        until((tmp_path / FILE).exists, "QEMU has a monitor", timeout_s=20)
        yield Monitor(tmp_path)


def test_cable(monitor: Monitor) -> None:
    monitor.set_link(0, up=False)
    monitor.set_link(0, up=True)
    with pytest.raises(PermanentError, match="net7"):
        monitor.set_link(7, up=False)
