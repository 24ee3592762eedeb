"""The very image for the Zero boots on QEMU's `raspi0`: its own processor (ARMv6), one core, 512 MiB, from the card.

QEMU's model has the host half of the USB port only. The device controller is the kernel's `usbip-vudc` instead, at
whose other end is nobody: `dummy_hcd` would make this kernel its own laptop as well, in the Pi's network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from image.lab.card import Card, inserted
from image.lab.guest import Guest
from image.lab.home import Home, home_lab
from image.lab.machine import RASPI0
from image.lab.qemu import booted
from image.lab.waiting import until
from tests.figures import Figure
from tests.vm import on_the_pi
from tests.vm.gadgets import function_addresses, function_addresses_of

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
# The Pi's firmware writes its serial number into the device tree.
ZERO = replace(RASPI0, dtb_changes=(*RASPI0.dtb_changes, ("/", "serial-number", SERIAL)))
PARAMETERS = ("modules-load=usbip-vudc",)
CONTROLLER = "usbip-vudc.0"
GADGET = "/sys/kernel/config/usb_gadget/appliance"
READY_S, HALT_S = 1800, 600
RSS_MIB = 36


@dataclass(frozen=True)
class Zero:
    """The board with power on; `power` is what ends when it is cut."""

    lab: Home
    card: Card
    guest: Guest
    power: ExitStack


@pytest.fixture(scope="module")
def zero(zero_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zero]:
    folder = tmp_path_factory.mktemp("zero")
    with inserted(zero_image, folder, CONFIG) as card, home_lab(folder / "logs") as lab, ExitStack() as power:
        yield Zero(lab, card, power.enter_context(booted(lab, card, ZERO, parameters=PARAMETERS)), power)


def test_board(zero: Zero) -> None:
    assert zero.guest.run("uname", "-m").strip() == "armv6l"
    assert "Raspberry Pi Zero" in zero.guest.run("cat", "/proc/device-tree/model")
    assert re.search(r"^CPU part\s*: 0xb76$", zero.guest.run("cat", "/proc/cpuinfo"), re.MULTILINE), "an ARM1176"
    assert "/dev/mmcblk" in zero.guest.run("findmnt", "-no", "SOURCE", "/")
    memory = re.search(r"MemTotal:\s+(\d+) kB", zero.guest.run("cat", "/proc/meminfo"))
    assert memory
    assert 400 < int(memory[1]) / 1024 < 512, "the graphics processor has 64 MiB of its own"


def test_kernel_got_all_of_its_command_line(zero: Zero) -> None:
    """A 32-bit ARM kernel takes 1024 bytes (COMMAND_LINE_SIZE) and drops the rest without a word."""
    assert zero.guest.run("cat", "/proc/cmdline").strip().endswith(PARAMETERS[-1])


def test_its_programs_are_armels(zero: Zero) -> None:
    assert zero.guest.run("dpkg", "--print-architecture").strip() == "armel"


def test_ready(zero: Zero) -> None:
    """Its own status says so, and no unit has failed."""
    on_the_pi.is_ready(zero.guest, timeout_s=READY_S)
    assert on_the_pi.status(zero.guest)["state"] == "ready"


def test_the_led_tells(zero: Zero) -> None:
    """It is lit when its pin is low, which the kernel knows."""
    on_the_pi.tells_by_the_led(zero.guest)


def test_daemons_memory(zero: Zero, figure: Figure) -> None:
    resident = on_the_pi.daemon_rss_mib(zero.guest)
    figure(f"the daemon on armel: {resident:.1f} MiB resident")
    assert resident <= RSS_MIB


def test_the_laptop_sees_it_before_the_daemon_runs(zero: Zero, figure: Figure) -> None:
    """On the second boot the early unit makes the gadget of what the daemon compiled on the first, and binds it."""
    halt(zero)
    with booted(zero.lab, zero.card, ZERO, log="console-again", parameters=PARAMETERS) as guest:
        until(lambda: bound_to(guest) == CONTROLLER, "the gadget is bound", timeout_s=60)
        assert guest.run("cat", f"{GADGET}/strings/0x409/serialnumber").strip() == SERIAL
        assert function_addresses(guest) == function_addresses_of(SERIAL)
        early, daemon = (started_s(guest, unit) for unit in ("appliance-gadget.service", "appliance.service"))
        figure(f"raspi0, since the kernel started: adapter shown after {early:.1f} s, daemon {daemon:.1f} s")
        assert early < daemon
        said = on_the_pi.journal(guest, "--unit=appliance-gadget.service")
        assert not [line for line in said if "the daemon" in line], "it has left nothing to the daemon"


def halt(zero: Zero) -> None:
    """Shut down and pull the plug: this machine has nothing that could switch it off."""
    console = zero.lab.world.log("console")
    zero.guest.ask(["systemctl", "--no-block", "poweroff"])
    until(lambda: "reboot: " in console.read_text(errors="replace"), "the kernel stands still", timeout_s=HALT_S)
    zero.power.close()


def bound_to(guest: Guest) -> str:
    return guest.ask(["cat", f"{GADGET}/UDC"]).output.strip()


def started_s(guest: Guest, unit: str) -> float:
    """When a unit was done starting (oneshot) or began to (the daemon), in seconds of the kernel's clock."""
    moment = "ExecMainExitTimestampMonotonic" if "gadget" in unit else "ExecMainStartTimestampMonotonic"
    until(lambda: guest.run("systemctl", "show", "-P", moment, unit).strip() != "0", f"{unit} runs", timeout_s=READY_S)
    return int(guest.run("systemctl", "show", "-P", moment, unit)) / 1e6
