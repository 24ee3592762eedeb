"""Where things are on the device."""

from __future__ import annotations

from pathlib import Path

ETC = Path("/etc")
RUN = Path("/run/appliance")
STATE = Path("/var/lib/appliance")

STATUS = RUN / "status.json"
STATUS_TEXT = RUN / "status.txt"
PART_LIST = RUN / "parts.txt"
"""What `appliance status --all` adds to it."""
LOGIN_MESSAGE = RUN / "login-message"
"""What pam_motd(8) shows to whoever logs in: /usr/lib/motd.d leads here."""
LED_BEFORE = RUN / "led"
"""What the LED showed before it told how things are: appliance.service gives it back from this."""
WWW = RUN / "www"
"""What is shown to the inside, and to nobody else: the status page."""
CARRYING = STATE / "carrying.json"
CHANGED_SETTINGS = RUN / "changed-settings.json"
RECORDS = tuple((STATE / name, RUN / name) for name in ("broker.json", "broker-fallback.json"))
"""By the tunnels' ranks: what the broker has been told; and the same, with times that are good until the machine is
turned off.
"""
DESCRIPTIONS = tuple((STATE / name, RUN / name) for name in ("tunnel.json", "tunnel-fallback.json"))
"""By the tunnels' ranks: what the broker has said that each is; the same twice, too."""
FORMER_FILES = STATE / "former-files.json"
REACTIONS = RUN / "reactions.json"
TUNNELS_CARRY = (RUN / "tunnel-carries", RUN / "tunnel-fallback-carries")
"""By the tunnels' ranks: there while it does."""
SIX_RD = RUN / "6rd.json"
"""What the provider told of it last, and to which address."""
LAST_GOOD = STATE / "last-good.yaml"

LEDS = Path("/sys/class/leds")

GADGET_UNIT = Path("/usr/lib/systemd/system/appliance-gadget.service")
"""What was made for a gadget has it: an image, or the package."""

PROFILES = Path("/usr/share/appliance/profiles")
"""A file for each profile that a package makes possible on a machine that was not made from an image."""

FAT_CANDIDATES = (Path("/boot/firmware"), Path("/boot"))
"""Where Raspberry Pi OS mounts its FAT partition: since bookworm, and before."""

CONFIG_NAME = "appliance.yaml"
REPORT_NAME = "appliance-status.txt"


def fat_partition(mounts: Path = Path("/proc/mounts")) -> Path:
    """The folder that shows the FAT partition: the candidate on which a FAT file system is mounted."""
    mounted = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    fat = {Path(words[1]) for words in mounted if words[2] == "vfat"}
    return next((path for path in FAT_CANDIDATES if path in fat), FAT_CANDIDATES[0])
