"""How soon what somebody took away is back, of the kinds that need a whole image: systemd, a sit tunnel, a USB gadget.

As for the others it is from the deletion to the end of the pass that saw it right, by the guest's own clock: when
status.json told of that pass. It is looked at every 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstboot.gadget.identity import BRIDGE
from firstboot.resources.units import DNSMASQ, SSH
from image.lab.guest import Guest
from tests.bench.booted import gadget, gateway, take_away
from tests.bench.peers import TUNNEL
from tests.bench.shown import figure, heading

DELETIONS, PATIENCE_S, SPACING_S = 50, 30.0, 3.0


@dataclass(frozen=True)
class Deletion:
    """What is taken away, in the words of `taking`, and the kind that puts it right."""

    kind: str
    what: str
    take: str


IN_A_GATEWAY = (
    Deletion("tunnel", "its link deleted", TUNNEL),
    Deletion("units", "dnsmasq ended", f"end {DNSMASQ}"),
    Deletion("units", "sshd ended", f"end {SSH}"),
)
IN_A_GADGET = (
    Deletion("bridge", f"a port taken out of {BRIDGE}", "release usb0"),
    Deletion("gadget", "unbound", "unbind"),
    Deletion("gadget", "removed", "remove"),
)


def measure(folder: Path) -> None:
    """Print it; `folder` is empty."""
    for image, machine, deletions in (("gateway", gateway, IN_A_GATEWAY), ("gadget", gadget, IN_A_GADGET)):
        (folder / image).mkdir()
        with machine(folder / image) as guest:
            heading(
                f"drift in the {image}, {DELETIONS} deletions each, {SPACING_S:g} to {SPACING_S + 1:g} s apart; TCG"
            )
            for deletion in deletions:
                _repeat(guest, deletion)


def _repeat(guest: Guest, deletion: Deletion) -> None:
    taken = take_away(
        guest,
        deletion.take,
        {"kind": deletion.kind},
        rounds=DELETIONS,
        patience_s=PATIENCE_S,
        spacing_s=SPACING_S,
        tries=DELETIONS,
    )
    figure(f"{deletion.kind}: {deletion.what}", _told(sorted(taken.seconds), taken.lost))


def _told(took: Sequence[float], lost: int) -> str:
    if not took:
        return f"lost {lost}"
    middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
    return f"p50 {middle:6.2f} s   p99 {late:6.2f} s   longest {took[-1]:6.2f} s   lost {lost}"
