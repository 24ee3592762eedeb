"""Where things are on the device."""

from __future__ import annotations

from pathlib import Path

ETC = Path("/etc")
RUN = Path("/run/appliance")
STATE = Path("/var/lib/appliance")

STATUS = RUN / "status.json"
LAST_GOOD = STATE / "last-good.yaml"

FAT_CANDIDATES = (Path("/boot/firmware"), Path("/boot"))
"""Where Raspberry Pi OS mounts its FAT partition: since bookworm, and before."""

CONFIG_NAME = "appliance.yaml"
REPORT_NAME = "appliance-status.txt"


def fat_partition() -> Path:
    """The folder that shows the FAT partition: the first candidate that a file system is mounted on."""
    return next((path for path in FAT_CANDIDATES if path.is_mount()), FAT_CANDIDATES[0])
