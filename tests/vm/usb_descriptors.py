"""Runs in the guest: what the USB host side can read of the device that the Pi is, as JSON: name → hexadecimal bytes.

Control transfers by usbfs (linux/usbdevice_fs.h). Only the standard library. Its argument: the device's sysfs folder.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import struct
import sys
from pathlib import Path

USBDEVFS_CONTROL = 0xC0185500  # on 64 bits
IN_STANDARD_DEVICE, IN_VENDOR_DEVICE = 0x80, 0xC0
GET_DESCRIPTOR = 6
DEVICE, CONFIGURATION, STRING = 1, 2, 3
ENGLISH = 0x0409
OS_STRING = 0xEE
EXTENDED_COMPAT_ID = 4
TIMEOUT_MS = 5000


class Device:
    """A USB device, opened by the host."""

    def __init__(self, sysfs: Path) -> None:
        bus, number = (int((sysfs / name).read_text()) for name in ("busnum", "devnum"))
        self.file = os.open(f"/dev/bus/usb/{bus:03d}/{number:03d}", os.O_RDWR)

    def read(self, kind: int, request: int, value: int, index: int, length: int) -> bytes:
        """One transfer; empty if the device refuses (a stall)."""
        buffer = ctypes.create_string_buffer(length)
        address = ctypes.addressof(buffer)
        transfer = struct.pack("=BBHHHI4xQ", kind, request, value, index, length, TIMEOUT_MS, address)
        try:
            count = fcntl.ioctl(self.file, USBDEVFS_CONTROL, bytearray(transfer))
        except BrokenPipeError:
            return b""
        return buffer.raw[:count]

    def descriptor(self, kind: int, number: int, length: int, language: int = 0) -> bytes:
        return self.read(IN_STANDARD_DEVICE, GET_DESCRIPTOR, kind << 8 | number, language, length)


def found(device: Device) -> dict[str, bytes]:
    shown = {"device": device.descriptor(DEVICE, 0, 18)}
    for number in range(shown["device"][17]):
        (total,) = struct.unpack_from("<H", device.descriptor(CONFIGURATION, number, 9), 2)
        shown[f"configuration {number}"] = device.descriptor(CONFIGURATION, number, total)
    shown["languages"] = device.descriptor(STRING, 0, 255)
    for number in range(1, 32):
        if text := device.descriptor(STRING, number, 255, ENGLISH):
            shown[f"string {number}"] = text
    shown["os string"] = device.descriptor(STRING, OS_STRING, 18)
    if shown["os string"]:
        vendor_code = shown["os string"][16]
        header = device.read(IN_VENDOR_DEVICE, vendor_code, 0, EXTENDED_COMPAT_ID, 16)
        (length,) = struct.unpack_from("<I", header)
        shown["compatible ids"] = device.read(IN_VENDOR_DEVICE, vendor_code, 0, EXTENDED_COMPAT_ID, length)
    return shown


if __name__ == "__main__":
    print(json.dumps({name: content.hex() for name, content in found(Device(Path(sys.argv[1]))).items()}))
