"""Packets that nobody may send, from outside and all the time, and whatever comes of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from firstboot.policy.decision import Packet
from image.lab.cables import WIRES
from image.lab.gateway import Lab
from image.lab.guest import Guest
from image.lab.home import CARD, PI_IPV4, Home
from image.lab.waiting import until
from image.lab.world import World
from tests.lab.knocking import IPV6_IN_IPV4, NUMBER
from tests.vm import on_the_pi
from tests.vm.verdicts import at_gadget, at_gateway

STRANGERS: Mapping[int, IPv4Address | IPv6Address] = {
    4: IPv4Address("203.0.113.99"),
    6: IPv6Address("2001:db8:eeee::7"),
}
"""Nobody else speaks with them."""
ASKED = (("tcp", 22), ("udp", 53), ("tcp", 8080))
"""Of the box and of a host inside: what listens there, and what does not."""
EVERYBODY, ECHO = IPv6Address("ff02::1"), 128
FIRST = "knocking-first"
"""The log of who knocks at a first boot."""


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
    def found(self) -> set[IPv6Address]:
        """The addresses at which they were sent as soon as somebody took these."""
        return {IPv6Address(each["found"]) for each in self._told() if "found" in each}

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
    """At a gateway, while the block runs. `inside`: the address of a host that is there."""
    targets = (lab.site.pi_uplink.ip, lab.site.tunnel_client.ip, inside)
    packets = [
        Packet(STRANGERS[target.version], target, protocol, port=port) for target in targets for protocol, port in ASKED
    ]
    frames = [each for packet in packets for each in at_gateway(lab, packet, NUMBER)]
    with _sent(lab.world, name, frames) as running:
        yield running


@contextmanager
def knocking_at_home(home: Home, cable: IPv4Network, name: str) -> Iterator[Knocking]:
    """At a gadget, and at whatever address in the network of its cable a laptop may have.

    By IPv6 at everybody on the link, and at each address from when the gadget takes it.
    """
    packets = [Packet(STRANGERS[4], PI_IPV4.ip, protocol, port=port) for protocol, port in ASKED]
    packets += [Packet(STRANGERS[4], host, "tcp", port=22) for host in cable.hosts()]
    packets.append(Packet(STRANGERS[6], EVERYBODY, "icmp", type=ECHO))
    asked = ",".join(f"{protocol}/{port}" for protocol, port in ASKED)
    frames = [each for packet in packets for each in at_gadget(packet, NUMBER)]
    with _sent(home.world, name, frames, asked) as running:
        yield running


@contextmanager
def _sent(world: World, name: str, frames: Sequence[bytes], asked: str = "") -> Iterator[Knocking]:
    strangers = ",".join(str(stranger) for stranger in STRANGERS.values())
    argv = [sys.executable, "-m", "tests.lab.knocking", CARD, strangers, asked, *(each.hex() for each in frames)]
    with world.running(WIRES, argv, log=name):
        yield Knocking(world.log(name))


@contextmanager
def until_ready(
    knocks: AbstractContextManager[Knocking], power: AbstractContextManager[Guest], *, at: IPv6Network | None = None
) -> Iterator[Guest]:
    """A machine with power on, once it says that it is ready, and has an address in that network.

    Somebody knocks from before that until then.
    """
    with ExitStack() as outside:
        running = outside.enter_context(knocks)
        until(lambda: running.sent, "somebody knocks", timeout_s=10)
        with power as guest:
            on_the_pi.is_ready(guest, timeout_s=on_the_pi.READY_S)
            if at is not None:
                until(lambda: any(each in at for each in running.found), f"it takes an address in {at}", timeout_s=60)
            sent = running.sent
            until(lambda: running.sent > sent + 500, "somebody knocks still", timeout_s=10)
            outside.close()
            yield guest
