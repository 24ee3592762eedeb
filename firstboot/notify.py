"""Telling systemd that the daemon is ready and alive (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=…` or the like; nothing happens outside a `Type=notify` unit."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
