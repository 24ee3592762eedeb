"""A gateway with two arms between an outside and an inside, that tells which packets its firewall let by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from appliance.model import Appliance
from appliance.parse import parse_text
from firstboot.facts import Facts
from firstboot.iptables import Iptables
from firstboot.netlink import Netlink
from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES
from firstboot.rendered.ufw import rules_of
from firstboot.rulesets import framework
from tests.lab import wire
from tests.netns import packets
from tests.netns.namespace import Namespace
from tests.netns.network import network
from tests.verdicts import PROBE, Places

LAN, OUTSIDE, TUNNEL = "eth1", "eth0", "he-ipv6"
CONFIG = """
profile: gateway
ssh:
  authorized_keys: []
uplink:
  interface: eth0
  address: 203.0.113.5/24
  gateway: 203.0.113.1
tunnel:
  server: 198.51.100.100
  address: 2001:db8:123c:abd::2/64
  routed: 2001:db8:123d:abc::/64
lan:
  interface: eth1
  address: 192.168.2.1/24
"""

PLACES = Places(
    hosts={
        4: {"outside": "203.0.113.9", "inside": "192.168.2.20", "box": "203.0.113.5"},
        6: {"outside": "2001:db8:ffff::80", "inside": "2001:db8:123d:abc::20", "box": "2001:db8:123c:abd::2"},
    },
    wires={4: {"outside": OUTSIDE, "inside": LAN, "box": ""}, 6: {"outside": TUNNEL, "inside": LAN, "box": ""}},
)


def appliance_with(firewall: str) -> Appliance:
    """The gateway, with a section `firewall` of its own ("": none)."""
    return parse_text((CONFIG + firewall).encode(), "appliance.yaml").appliance


@dataclass
class Crossing:
    """The router, its wires and their ends."""

    router: Namespace
    inside: Namespace
    outside: Namespace
    iptables: Iptables
    facts: Facts
    numbers: Iterator[int] = field(default_factory=lambda: count(1025))

    def load(self, appliance: Appliance) -> None:
        """Put its rules in force."""
        for family in FAMILIES:
            text = framework(family) + rules_of(appliance, self.facts, family).text
            self.router.call(self._load, family, text + self.facts.other_rules.get(family, ""))

    def _load(self, family: int, text: str) -> None:
        self.iptables.load(family, text, self.iptables.rules(family))

    def passing(self, sent: Sequence[Packet]) -> list[bool]:
        """Which of these the firewall lets in, or through."""
        numbered = [(next(self.numbers), packet) for packet in sent]
        assert numbered[-1][0] < 65536, "there are no more numbers to know packets by"
        for interface, end in ((LAN, self.inside), (OUTSIDE, self.outside), (TUNNEL, self.outside)):
            target = self.router.call(packets.mac_of, interface)
            frames = [packets.frame(packet, at, target) for at, packet in numbered if packet.arriving == interface]
            end.call(wire.send, interface, frames)
        own = [packets.datagram(packet, at) for at, packet in numbered if not packet.arriving]
        self.router.call(wire.send_from_here, own)
        seen = self.seen()
        return [at in seen for at, _ in numbered]

    def seen(self) -> set[int]:
        """The numbers of all that it ever let by."""
        listed = json.loads(self.router.program("nft", "-j", "list", "set", "inet", "probe", "passed"))["nftables"]
        return {number for each in listed if "set" in each for number in each["set"].get("elem", ())}


@contextmanager
def crossing(folder: Path) -> Iterator[Crossing]:
    """Until the context ends."""
    with Namespace() as router, Namespace() as inside, Namespace() as outside:
        for namespace in (router, inside, outside):
            namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        router.connect(LAN, inside, LAN)
        router.connect(OUTSIDE, outside, OUTSIDE)
        router.connect(TUNNEL, outside, TUNNEL)
        for interface, address in (
            (LAN, "192.168.2.1/24"),
            (LAN, "2001:db8:123d:abc::1/64"),
            (OUTSIDE, "203.0.113.5/24"),
            (TUNNEL, "2001:db8:123c:abd::2/64"),
        ):
            router.program("ip", "addr", "add", address, "dev", interface)
        router.program("ip", "route", "add", "default", "via", "203.0.113.1")
        router.program("ip", "-6", "route", "add", "default", "via", "2001:db8:123c:abd::1")
        router.program("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        router.program("sysctl", "-q", "net.ipv4.conf.all.rp_filter=0")
        router.program("nft", "-f", "-", stdin=PROBE)
        facts = network(router, router.call(Netlink))
        yield Crossing(router, inside, outside, router.call(Iptables), facts)
