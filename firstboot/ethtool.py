"""The name of an interface's driver, as `ethtool -i` tells it (linux/ethtool.h, struct ethtool_drvinfo).

Not from /sys: what is mounted there may be another network namespace's, and virtual interfaces are not in it.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_GET_DRIVER_INFO = 3
_INFO_BYTES, _DRIVER_AT, _DRIVER_BYTES = 196, 4, 32
_NAME_BYTES = 16


def driver(asked: socket.socket, interface: str) -> str:
    """The driver's name; "" where it has none or is gone. `asked`: any socket of the network namespace."""
    info = ctypes.create_string_buffer(struct.pack("=I", _GET_DRIVER_INFO), _INFO_BYTES)
    name = interface.encode(errors="surrogateescape")
    request = struct.pack(f"{_NAME_BYTES}sP", name, ctypes.addressof(info)).ljust(40, b"\0")
    try:
        fcntl.ioctl(asked, _SIOCETHTOOL, request)
    except OSError:
        return ""
    return info.raw[_DRIVER_AT : _DRIVER_AT + _DRIVER_BYTES].split(b"\0")[0].decode(errors="replace")
