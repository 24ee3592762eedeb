"""What the kernel has logged of packets that the firewall denied, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from appliance.errors import ApplianceError
from firstboot.command import run as run_program

_FIELD = re.compile(r"\b([A-Z]+)=(\S+)")
_JOURNAL = ("journalctl", "--dmesg", "--quiet", "--no-pager", "--output=short-iso", "--grep=UFW BLOCK")


def denied(most: int) -> Sequence[str]:
    """The last ones, the very last one last; none as well where they are not for the caller to see."""
    try:
        return [in_words(line) for line in run_program([*_JOURNAL, f"--lines={most}"]).splitlines()]
    except ApplianceError:  # there are none, says journalctl's exit code
        return []


def in_words(line: str) -> str:
    """What netfilter logs of a packet (nf_log_syslog.c in Linux), less what nobody reads."""
    found = dict(_FIELD.findall(line))
    if not found.keys() >= {"IN", "SRC", "DST", "PROTO"}:
        return line
    source, destination = (ip_address(found[name]) for name in ("SRC", "DST"))
    protocol = f"protocol {found['PROTO']}" if found["PROTO"].isdigit() else found["PROTO"].lower()
    kind = found.get("DPT", found.get("TYPE"))
    what = protocol if kind is None else f"{protocol}/{kind}"
    return f"{line.split(maxsplit=1)[0]}  {source} by {found['IN']} to {destination}: {what}"
