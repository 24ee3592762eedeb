"""Runs in the guest: what a terminal program sees on the laptop's serial port (the argument) after Return.

Only the standard library.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty

PATIENCE_S = 90.0
EVERY_S = 5.0


def main() -> None:
    port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port, termios.TCSANOW)  # or it would send back what it hears
    heard, deadline_s = b"", time.monotonic() + PATIENCE_S
    while b"login: " not in heard and time.monotonic() < deadline_s:
        os.write(port, b"\r")
        while select.select([port], [], [], EVERY_S)[0]:
            heard += os.read(port, 4096)
    print(heard.decode(errors="replace"))


main()
