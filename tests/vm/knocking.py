"""Packets that nobody may send, from outside and all the time, and whatever comes of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from firstboot.policy.decision import Packet
from image.lab.cables import WIRES
from image.lab.gateway import Lab
from tests.lab.knocking import IPV6_IN_IPV4
from tests.vm.verdicts import CARD, outer

STRANGERS: Mapping[int, IPv4Address | IPv6Address] = {
    4: IPv4Address("203.0.113.99"),
    6: IPv6Address("2001:db8:eeee::7"),
}
"""Nobody else speaks with them."""
ASKED = (("tcp", 22), ("udp", 53), ("tcp", 8080))
"""Of the box and of a host inside: what listens there, and what does not."""
NUMBER = 1024


@dataclass(frozen=True)
class Knocking:
    """What has been sent, and what has come of it."""

    log: Path

    @property
    def sent(self) -> int:
        """How many packets."""
        return max((each["sent"] for each in self._told() if "sent" in each), default=0)

    @property
    def came(self) -> list[str]:
        """The packets that the Pi has sent for them: answers, or passed on."""
        return [each["came"] for each in self._told() if "came" in each]

    @property
    def ways(self) -> set[str]:
        """By which these went: bare, in the tunnel, or on to the inside."""
        found = set()
        for packet in self.came:
            version, protocol = packet[0], int(packet[18:20], 16)
            found.add("inside" if version == "6" else "tunnel" if protocol == IPV6_IN_IPV4 else "bare")
        return found

    def _told(self) -> list[dict[str, Any]]:
        complete = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]


@contextmanager
def knocking(lab: Lab, inside: IPv6Address, name: str) -> Iterator[Knocking]:
    """While the block runs. `inside`: the address of a host that is there."""
    targets = (lab.site.pi_uplink.ip, lab.site.tunnel_client.ip, inside)
    packets = [
        Packet(STRANGERS[target.version], target, protocol, arriving=CARD, port=port)
        for target in targets
        for protocol, port in ASKED
    ]
    frames = [each.hex() for packet in packets for each in outer(lab, packet, NUMBER)]
    strangers = ",".join(str(stranger) for stranger in STRANGERS.values())
    log = lab.world.log(name)
    argv = [sys.executable, "-m", "tests.lab.knocking", CARD, strangers, *frames]
    with lab.world.running(WIRES, argv, log=name):
        yield Knocking(log)
