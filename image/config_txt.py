"""config.txt, which the Pi's firmware reads before any kernel: what a USB gadget needs in it.

Its sections and their filters: https://www.raspberrypi.com/documentation/computers/config_txt.html
"""

from __future__ import annotations

import re

ALL = "[all]"
COMMENT = "# The USB port is a device's: a laptop is at the other end (appliance, profile gadget)"
DEVICE = "dtoverlay=dwc2,dr_mode=peripheral"

OTHER_ROLES = re.compile(r"(dtoverlay\s*=\s*dwc(2|-otg)\b|dtparam\s*=\s*dr_mode\s*=|otg_mode\s*=)", re.IGNORECASE)
"""What else says whose port it is. `otg_mode` gives it to the Pi 4's other USB controller, which can only be a host."""

COMPUTE_MODULES = re.compile(r"\[cm\d", re.IGNORECASE)
BOARDS = re.compile(r"\[(all|none|pi|cm|board-type)", re.IGNORECASE)
"""Filters by board: each takes the place of the one before. Others (serial numbers, pins, monitors) add to it."""


def with_usb_device(config: str) -> str:
    """`config` with the USB port as a device's, on every board but the compute modules, which have ports of their own.

    Exactly once, under [all], after all other sections; what else says whose port it is becomes a comment.
    Gives the same text when it is applied again. Line ends stay as they are.
    """
    end = "\r\n" if "\r\n" in config else "\n"
    kept: list[str] = []
    board = ALL
    for line in config.replace("\r\n", "\n").split("\n"):
        text = line.strip()
        if BOARDS.match(text):
            board = text.lower()
        if text in (COMMENT, DEVICE):
            continue
        theirs = COMPUTE_MODULES.match(board) or board == "[none]"
        kept.append(f"#{line}" if OTHER_ROLES.match(text) and not theirs else line)
    while kept and not kept[-1].strip():
        kept.pop()
    section = next((text for line in reversed(kept) if (text := line.strip().lower()).startswith("[")), ALL)
    if section != ALL:
        kept += ["", ALL]
    return end.join([*kept, COMMENT, DEVICE, ""])
