"""The very image file boots on QEMU's `raspi3b`, a real board's model, from its SD card: the essential."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from image.disk import partitions
from image.disk.layout import SECTOR_BYTES
from image.lab.cables import NIC
from image.lab.card import Card
from image.lab.guest import Guest
from image.lab.machine import RASPI3B
from image.lab.waiting import until
from tests.lab import checks
from tests.vm import on_the_pi
from tests.vm.conftest import EXAMPLE, Booted, booting

pytestmark = pytest.mark.vm
READY_S = 1800


@pytest.fixture(scope="module")
def gateway(gateway_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with booting(gateway_image, tmp_path_factory.mktemp("raspi3b"), RASPI3B, EXAMPLE.read_text()) as booted:
        yield booted


def test_ready(gateway: Booted) -> None:
    on_the_pi.is_ready(gateway.guest, timeout_s=READY_S)


def test_board(gateway: Booted) -> None:
    """It is a Pi, its disk is the SD card, and its NIC has the driver of a USB one."""
    assert "Raspberry Pi 3 Model B" in gateway.guest.run("cat", "/proc/device-tree/model")
    assert "/dev/mmcblk" in gateway.guest.run("findmnt", "-no", "SOURCE", "/")
    assert "/usb" in gateway.guest.run("readlink", "-f", "/sys/class/net/eth0/device")


def test_the_root_fills_the_card(gateway: Booted, gateway_image: Path) -> None:
    """A file system is smaller than its partition: it is larger than the image's only if both have grown."""
    second = partitions.read_table(gateway_image)
    flashed, card = second.root_sectors * SECTOR_BYTES, gateway.guest.card.stat().st_size
    until(lambda: root_bytes(gateway.guest) > flashed, f"the root has more than {flashed} bytes", timeout_s=120)
    assert partitions.read_table(gateway.guest.card).root_start == second.root_start
    assert root_bytes(gateway.guest) > 0.9 * (card - second.root_start * SECTOR_BYTES)


def root_bytes(guest: Guest) -> int:
    return int(guest.run("findmnt", "--noheadings", "--bytes", "--output=SIZE", "/"))


def test_addresses(gateway: Booted) -> None:
    checks.gives_slaac_address(gateway.lab, timeout_s=60)
    checks.gives_lease(gateway.lab, gateway.appliance, timeout_s=60)


def test_through_the_tunnel(gateway: Booted) -> None:
    checks.resolves(gateway.lab)
    checks.reaches_the_internet(gateway.lab)
    checks.passes_full_packets(gateway.lab)
    checks.clamps_mss(gateway.lab)


def test_firewall(gateway: Booted) -> None:
    on_the_pi.keeps_everybody_out(gateway.guest, gateway.lab, NIC)
    on_the_pi.logs_attempt(gateway.guest, gateway.lab, gateway.lab.client.slaac_address(), 22)
    checks.lets_in(gateway.lab, 80, 443)


def test_report_on_the_card(gateway: Booted) -> None:
    on_the_pi.reports(gateway.guest, "UP: everything")
    gateway.guest.run("sync")
    assert "UP: everything" in Card(gateway.guest.card).read("appliance-status.txt")


def test_the_led_tells(gateway: Booted) -> None:
    on_the_pi.tells_by_the_led(gateway.guest)
