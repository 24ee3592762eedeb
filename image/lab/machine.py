"""The machines that QEMU can be: a real board's model, and a faster one that no board is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """How QEMU plays one machine.

    `disk` is the SD card's drive, `slot` what a second drive is plugged into, `card` a network card.
    `line` is the guest's device for talking to the lab, `chardev` QEMU's words to make it of the
    character device `lab`. `boot_s` is how long it may take to boot here, with room to spare.
    """

    name: str
    words: tuple[str, ...]
    disk: tuple[str, ...]
    slot: str
    card: str
    chardev: tuple[str, ...]
    line: str
    parameters: tuple[str, ...]
    dtb: str | None
    boot_s: float
    program: str = "qemu-system-aarch64"
    dtb_changes: tuple[tuple[str, str, str], ...] = ()
    """Node, property and text: what in the device tree QEMU does not play."""
    dtb_pins: tuple[tuple[str, int], ...] = ()
    """Node, and the processor's own pin that it has instead of one of the firmware's, which QEMU does not play."""
    terminal: tuple[str, ...] = ()
    """QEMU's words for a terminal on the character device `terminal`; without them there is none."""
    terminal_line: str = ""
    """The guest's device for that."""

    def nic(self, number: int, tap: str) -> list[str]:
        """A network card on a TAP device. Not locally administered, or the kernel would call a USB one usb0."""
        netdev = f"tap,id=net{number},ifname={tap},script=no,downscript=no"
        return ["-netdev", netdev, "-device", f"{self.card},netdev=net{number},mac=b8:27:eb:5e:ed:{number:02x}"]

    def storage(self, path: Path) -> list[str]:
        """The words for the card in the file `path`."""
        return [word.format(path=path) for word in self.disk]

    def second_drive(self, path: Path) -> list[str]:
        """The words for one more drive, which the guest cannot write to."""
        return [
            "-drive",
            f"if=none,id=second,format=raw,readonly=on,file={path}",
            "-device",
            f"{self.slot},drive=second",
        ]


VIRT = Machine(
    name="virt",
    words=("-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "1024"),
    disk=("-drive", "if=none,id=card,format=raw,cache=unsafe,file={path}", "-device", "virtio-blk-pci,drive=card"),
    slot="virtio-blk-pci",
    card="virtio-net-pci,romfile=",
    chardev=("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=lab,name=lab"),
    line="/dev/virtio-ports/lab",
    # On a busy computer udev needs minutes for what is there, and systemd gives up its disks after 90 s. A kernel at a
    # secret address hides itself from its programs (arm64's KPTI) by other page tables at every system call, at which
    # QEMU forgets its translations: a boot takes a quarter longer.
    parameters=("console=ttyAMA0", "net.ifnames=0", "systemd.default_device_timeout_sec=600", "nokaslr"),
    dtb=None,
    boot_s=900,
    terminal=("-device", "virtconsole,chardev=terminal"),
    terminal_line="/dev/hvc0",
)

RASPI3B = Machine(
    name="raspi3b",
    words=("-M", "raspi3b", "-usb"),
    disk=("-drive", "if=sd,format=raw,cache=unsafe,file={path}"),
    slot="usb-storage",
    card="usb-net",
    # Both of its own serial ports may be consoles: the image's cmdline.txt decides.
    chardev=("-device", "usb-serial,chardev=lab"),
    line="/dev/ttyUSB0",
    parameters=("console=ttyAMA0",),
    dtb="bcm2837-rpi-3-b.dtb",
    dtb_pins=(("/leds/led-act", 29),),  # where a 3 B+ has it
    boot_s=1200,
)

RASPI0 = Machine(
    name="raspi0",
    words=("-M", "raspi0", "-usb"),
    disk=RASPI3B.disk,
    slot=RASPI3B.slot,
    card="usb-net",
    chardev=RASPI3B.chardev,
    line=RASPI3B.line,
    parameters=("console=ttyAMA0",),
    dtb="bcm2835-rpi-zero.dtb",
    boot_s=1800,
    program="qemu-system-arm",
    dtb_changes=(
        # The driver of the power domains, which this node also is, pokes a block that is not there, and panics.
        ("/soc/watchdog@7e100000", "status", "disabled"),
        # Its USB port can only be a host.
        ("/soc/usb@7e980000", "dr_mode", "host"),
    ),
)


def nics(machine: Machine, taps: Sequence[str]) -> list[str]:
    """The words for all of a machine's network cards, eth0 first."""
    return [word for number, tap in enumerate(taps) for word in machine.nic(number, tap)]
