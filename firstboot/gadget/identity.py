"""What makes one Pi's gadget different from another's, and the same at every boot: its serial number."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

DEVICE_TREE_SERIAL = Path("/proc/device-tree/serial-number")
MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True)
class Identity:
    """The serial number that the host sees, and the addresses derived from it."""

    serial: str

    def mac(self, role: str) -> str:
        """A stable, locally administered unicast MAC address; each role (`ecm host`, …) has its own."""
        digest = sha256(f"{role} {self.serial}".encode()).digest()
        octets = bytes([digest[0] & 0xFC | 0x02]) + digest[1:6]
        return ":".join(f"{octet:02x}" for octet in octets)


def of_this_machine() -> Identity:
    """From the device tree; a machine without one (an emulated one) has its machine id instead."""
    for source in (DEVICE_TREE_SERIAL, MACHINE_ID):
        try:
            serial = source.read_text(encoding="ascii").strip("\0\n ")
        except OSError:
            continue
        if serial:
            return Identity(serial)
    return Identity("0")
