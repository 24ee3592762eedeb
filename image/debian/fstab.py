"""How the card's FAT partition is mounted. Pure."""

from __future__ import annotations

PRIVATE = "umask=0027,gid=27"
"""For root, and for those who may become root (Debian's group sudo): appliance.yaml may hold a Wi-Fi passphrase and the
key of a tunnel broker, and FAT has no owners and no modes.
"""


def private(fstab: str, mount: str) -> str:
    """The same table, with these options of what is mounted there; of several of one kind, the last one counts."""
    return "".join(_line(line, mount) for line in fstab.splitlines(keepends=True))


def _line(line: str, mount: str) -> str:
    fields = line.split()
    if line.startswith("#") or fields[1:2] != [mount] or len(fields) < 4 or fields[3].endswith(PRIVATE):
        return line
    before, options, after = line.partition(fields[3])
    return f"{before}{options},{PRIVATE}{after}"
