"""What makes one Pi's gadget different from another's, and the same at every boot: its serial number.

Loaded by the early unit, hence no digests: `hashlib` loads OpenSSL, and a serial number is short enough to stand in an
address as it is.
"""

DEVICE_TREE_SERIAL = "/proc/device-tree/serial-number"
MACHINE_ID = "/etc/machine-id"

BRIDGE = "bridge"

RASPBERRY_PI_OUI = 0xB827EB
"""Of Raspberry Pi's own; its older boards take the rest from the serial number as well."""

_DEVICE_SIDE = {BRIDGE: 0x00, "ecm": 0x01, "rndis": 0x02, "ncm": 0x03}
_HOST_SIDE = {"ecm": 0xAAAAAA, "rndis": 0x333333, "ncm": 0xCCCCCC}
"""Told apart from each other, and from what the Pi itself has: the serial number's last three bytes on the wire, and
those with 0x555555 on the radio."""


def serial(device_tree: str = DEVICE_TREE_SERIAL, machine_id: str = MACHINE_ID) -> str:
    """This Pi's serial number; a machine without one (an emulated one) has some of its machine id instead.

    Not all of it: machine-id(5) asks not to show it to others.
    """
    given = _read(device_tree)
    return given or f"{_folded(_read(machine_id), 32):016x}"


def device_mac(serial: str, role: str) -> str:
    """The address on the Pi's side, for the bridge or a network function: locally administered, unicast."""
    return _mac(0x02 << 40 | _DEVICE_SIDE[role] << 32 | _folded(serial, 32))


def host_mac(serial: str, function: str) -> str:
    """The address that a network function gives the laptop.

    Universally administered: Linux calls only such an adapter `eth0` and not `usb0` (drivers/net/usb/usbnet.c), udev
    names it after its address whichever port it is plugged into, and Android takes no other.
    """
    return _mac(RASPBERRY_PI_OUI << 24 | _folded(serial, 24) ^ _HOST_SIDE[function])


def _mac(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def _folded(text: str, bits: int) -> int:
    """A hexadecimal number's parts of that many bits, one over the other (XOR): each bit of it counts."""
    try:
        number = int(text, 16)
    except ValueError:
        number = int.from_bytes(text.encode(), "big")
    folded = 0
    while number:
        folded ^= number & (1 << bits) - 1
        number >>= bits
    return folded


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("ascii", "replace").strip("\0\n ")
    except OSError:
        return ""
