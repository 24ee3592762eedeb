"""What the firmware reads, and how it understands it: the overlay applied to Debian's own device trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.config_txt import DEVICE
from image.run import run
from image.stages import usb_device

pytestmark = pytest.mark.programs

BEFORE = "[cm5]\ndtoverlay=dwc2,dr_mode=host\n# caf\u00e9 \udce9\n"


def test_on_raspberry_pi_os_its_own_overlay_stays(tmp_path: Path) -> None:
    boot = tmp_path / "boot/firmware"
    (boot / "overlays").mkdir(parents=True)
    (boot / "overlays/dwc2.dtbo").write_bytes(b"theirs")
    (boot / "config.txt").write_bytes(BEFORE.encode(errors="surrogateescape"))
    usb_device.apply(tmp_path, boot)
    after = (boot / "config.txt").read_bytes()
    assert after.startswith(BEFORE.encode(errors="surrogateescape") + b"\n[all]\n")
    assert after.endswith(DEVICE.encode() + b"\n")
    assert (boot / "overlays/dwc2.dtbo").read_bytes() == b"theirs"
    assert not (tmp_path / usb_device.KEPT).exists()


def test_on_debian_it_outlives_an_update_of_the_kernel(tmp_path: Path) -> None:
    """Its hook writes a new config.txt, and the settings that it is given at the end of it."""
    boot = tmp_path / "boot/firmware"
    boot.mkdir(parents=True)
    (boot / "config.txt").write_text("enable_uart=1\n")
    (tmp_path / usb_device.HOOK).parent.mkdir(parents=True)
    (tmp_path / usb_device.HOOK).touch()
    (tmp_path / usb_device.KEPT).write_text("gpu_mem=16\n")
    for _ in range(2):
        usb_device.apply(tmp_path, boot)
        assert (tmp_path / usb_device.KEPT).read_text().splitlines()[0::2] == ["gpu_mem=16", DEVICE]
        assert (boot / "config.txt").read_text().splitlines()[0::2] == ["enable_uart=1", DEVICE]
    assert (boot / usb_device.OVERLAY).is_file()


@pytest.mark.parametrize("was", ["otg", "host"])
def test_the_overlay_makes_the_port_a_devices(was: str, tmp_path: Path) -> None:
    source = f'/dts-v1/; / {{ soc {{ usb@7e980000 {{ dr_mode = "{was}"; status = "disabled"; }}; }}; }};'
    (tmp_path / "config.txt").touch()
    usb_device.apply(tmp_path, tmp_path)
    tree, after = tmp_path / "board.dtb", tmp_path / "after.dtb"
    run(["dtc", "-q", "-O", "dtb", "-o", tree], stdin=source)
    run(["fdtoverlay", "-i", tree, "-o", after, tmp_path / usb_device.OVERLAY])
    for setting, value in {"dr_mode": "peripheral", "status": "okay"}.items():
        assert run(["fdtget", after, "/soc/usb@7e980000", setting]).strip() == value
    # How the firmware finds what `,dr_mode=` means: a node of the overlay (its phandle), then the property's name.
    words = run(["fdtget", "-t", "bx", tmp_path / usb_device.OVERLAY, "/__overrides__", "dr_mode"]).split()
    assert bytes(int(word, 16) for word in words[4:]) == b"dr_mode\0"
    node = run(["fdtget", "-t", "u", tmp_path / usb_device.OVERLAY, "/fragment@0/__overlay__", "phandle"])
    assert int("".join(word.zfill(2) for word in words[:4]), 16) == int(node)
