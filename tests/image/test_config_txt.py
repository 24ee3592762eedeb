from __future__ import annotations

import pytest

from image.config_txt import COMMENT, DEVICE, with_usb_device

OURS = f"{COMMENT}\n{DEVICE}\n"

# As pi-gen writes it (stage1/00-boot-files/files/config.txt), shortened.
RASPBERRY_PI_OS = """\
# Enable audio (loads snd_bcm2835)
dtparam=audio=on

# Run in 64-bit mode
arm_64bit=1

[cm4]
# Enable host mode on the 2711 built-in XHCI USB controller.
otg_mode=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
"""
# As the hook of Debian's raspi-firmware writes it.
DEBIAN = "arm_64bit=1\n\nenable_uart=1\nupstream_kernel=1\n\nkernel=vmlinuz-6\ninitramfs initrd.img-6\n"

CASES = {
    "empty": ("", OURS),
    "Debian": (DEBIAN, DEBIAN + OURS),
    "Raspberry Pi OS": (RASPBERRY_PI_OS, RASPBERRY_PI_OS + OURS),
    "no end of line": ("gpu_mem=16", "gpu_mem=16\n" + OURS),
    "ends in a section": (
        "gpu_mem=16\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n\n\n",
        "gpu_mem=16\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n\n[all]\n" + OURS,
    ),
    "ends in a filter that is not a board's": ("[gpio4=1]\nx=1\n", "[gpio4=1]\nx=1\n\n[all]\n" + OURS),
    "host for all": ("dtoverlay=dwc2,dr_mode=host\n", "#dtoverlay=dwc2,dr_mode=host\n" + OURS),
    "either": ("[all]\ndtoverlay=dwc2\n", "[all]\n#dtoverlay=dwc2\n" + OURS),
    "the downstream driver": ("dtoverlay=dwc-otg\n", "#dtoverlay=dwc-otg\n" + OURS),
    "its parameter on a line of its own": (
        "dtoverlay=dwc2\ndtparam=dr_mode=host\ndtparam=audio=on\n",
        "#dtoverlay=dwc2\n#dtparam=dr_mode=host\ndtparam=audio=on\n" + OURS,
    ),
    "spaces": ("  dtoverlay = dwc2 , dr_mode=host\n", "#  dtoverlay = dwc2 , dr_mode=host\n" + OURS),
    "the Pi 4's other controller": ("[pi4]\notg_mode=1\n", "[pi4]\n#otg_mode=1\n\n[all]\n" + OURS),
    "a filter within a compute module's": (
        "[cm4]\n[gpio4=1]\notg_mode=1\n[all]\nx=1\n",
        "[cm4]\n[gpio4=1]\notg_mode=1\n[all]\nx=1\n" + OURS,
    ),
    "ours, too early": (f"{OURS}[cm5]\ny=1\n", f"[cm5]\ny=1\n\n[all]\n{OURS}"),
    "ours, twice": (f"[all]\n{DEVICE}\n{DEVICE}\n", "[all]\n" + OURS),
    "ours, for one board": (f"[pi02]\n{DEVICE}\n[all]\nx=1\n", "[pi02]\n[all]\nx=1\n" + OURS),
    "a comment": ("#dtoverlay=dwc2,dr_mode=host\n", "#dtoverlay=dwc2,dr_mode=host\n" + OURS),
    "another overlay": ("dtoverlay=dwc2x\n", "dtoverlay=dwc2x\n" + OURS),
    "edited in Windows": (
        "a=1\r\n[cm4]\r\notg_mode=1\r\n",
        "a=1\r\n[cm4]\r\notg_mode=1\r\n\r\n[all]\r\n" + OURS.replace("\n", "\r\n"),
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_the_port_is_a_devices(before: str, after: str) -> None:
    assert with_usb_device(before) == after


@pytest.mark.parametrize("before", [case[0] for case in CASES.values()], ids=CASES)
def test_again_it_stays_the_same(before: str) -> None:
    once = with_usb_device(before)
    assert with_usb_device(once) == once
    assert [line.strip() for line in once.splitlines()].count(DEVICE) == 1
