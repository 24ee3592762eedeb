"""A gateway with two arms between an outside and an inside, that tells which packets its firewall let by."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path

import pytest

from appliance.model import Appliance
from appliance.parse import parse_text
from firstboot.cable import BRIDGE, unique_local
from firstboot.facts import Facts
from firstboot.iptables import Iptables
from firstboot.netlink import Netlink
from firstboot.policy.decision import Packet
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES
from firstboot.rendered.ufw import rules_of
from firstboot.rulesets import framework
from tests.lab import wire
from tests.netns import packets
from tests.netns.gadget_site import SERIAL
from tests.netns.namespace import Namespace
from tests.netns.network import network
from tests.netns.probe import PROBE
from tests.verdicts import BROKER, Places

LAN, OUTSIDE, TUNNEL, CABLE = "eth1", "eth0", "he-ipv6", BRIDGE


@dataclass(frozen=True)
class Place:
    """A machine between an outside and an inside: its interfaces with their addresses, and the routers.

    `ports`: those of a gadget, by function.
    """

    config: str
    inside: str
    outside: tuple[str, ...]
    addresses: Sequence[tuple[str, str]]
    routers: Sequence[str]
    ports: Mapping[str, str] = field(default_factory=dict)


GATEWAY = Place(
    """
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
""",
    LAN,
    (OUTSIDE, TUNNEL),
    (
        (LAN, "192.168.2.1/24"),
        (LAN, "2001:db8:123d:abc::1/64"),
        (OUTSIDE, "203.0.113.5/24"),
        (TUNNEL, "2001:db8:123c:abd::2/64"),
    ),
    ("203.0.113.1", "2001:db8:123c:abd::1"),
)
UNIQUE = next(unique_local(SERIAL).subnets(new_prefix=64))
GADGET = Place(
    """
profile: gadget
ssh:
  authorized_keys: []
uplink:
  interface: eth0
  address: 203.0.113.5/24
  gateway: 203.0.113.1
gadget:
  network: 10.55.0.1/28
  share: route
  functions: [ecm]
""",
    CABLE,
    (OUTSIDE,),
    (
        (CABLE, "10.55.0.1/28"),
        (CABLE, f"{UNIQUE[1]}/64"),
        (OUTSIDE, "203.0.113.5/24"),
        (OUTSIDE, "2001:db8:1::5/64"),
    ),
    ("203.0.113.1", "2001:db8:1::1"),
    {"ecm": "usb0"},
)
ONE_ARMED = Place(
    """
profile: gateway
ssh:
  authorized_keys: []
uplink:
  interface: eth0
  address: 192.168.1.252/24
  gateway: 192.168.1.254
tunnel:
  server: 198.51.100.100
  address: 2001:db8:123c:abd::2/64
  routed: 2001:db8:123d:abc::/64
lan:
  interface: eth0
""",
    "spare0",
    (OUTSIDE, TUNNEL),
    (
        (OUTSIDE, "192.168.1.252/24"),
        (OUTSIDE, "2001:db8:123d:abc::1/64"),
        (TUNNEL, "2001:db8:123c:abd::2/64"),
    ),
    ("192.168.1.254", "2001:db8:123c:abd::1"),
)

PLACES = Places(
    hosts={
        4: {"outside": "203.0.113.9", "inside": "192.168.2.20", "box": "203.0.113.5", "broker": BROKER},
        6: {"outside": "2001:db8:ffff::80", "inside": "2001:db8:123d:abc::20", "box": "2001:db8:123c:abd::2"},
    },
    wires={
        4: {"outside": OUTSIDE, "inside": LAN, "box": "", "broker": OUTSIDE},
        6: {"outside": TUNNEL, "inside": LAN, "box": ""},
    },
)
FORGET = "".join(f"flush set inet probe {name}\n" for name in ("passed4", "passed6", "left", "led"))


@dataclass(frozen=True)
class Passed:
    """What became of a packet of IPv4 that was let through, or out: whose it is now, and for whom."""

    source: str = ""
    destination: str = ""
    port: int = 0


def appliance_with(firewall: str, place: Place = GATEWAY) -> Appliance:
    """What is configured there, with a section `firewall` of its own ("": none)."""
    return parse_text((place.config + firewall).encode(), "appliance.yaml").appliance


@dataclass
class Crossing:
    """The router, its wires and their ends."""

    place: Place
    router: Namespace
    inside: Namespace
    outside: Namespace
    iptables: Iptables
    facts: Facts
    numbers: Iterator[int] = field(default_factory=lambda: cycle(range(1025, 65536)))

    def own(self, interface: str) -> str:
        """The box's first address there."""
        return next(address.partition("/")[0] for name, address in self.place.addresses if name == interface)

    def load(self, appliance: Appliance) -> None:
        """Put its rules in force."""
        policy = policy_of(appliance, self.facts)
        for family in FAMILIES:
            text = framework(family) + rules_of(policy, family).text
            self.router.call(self._load, family, text + self.facts.other_rules.get(family, ""))

    def _load(self, family: int, text: str) -> None:
        self.iptables.load(family, text, self.iptables.rules(family))

    def passing(self, sent: Sequence[Packet]) -> list[bool]:
        """Which of these the firewall lets in, through, or out."""
        return [passed is not None for passed in self.passed(sent)]

    def passed(self, sent: Sequence[Packet]) -> list[Passed | None]:
        """What became of each; None: nothing. Nobody knows any connection before."""
        self.router.program("conntrack", "-F")
        return self.passed_amid_connections(sent)

    def passed_amid_connections(self, sent: Sequence[Packet]) -> list[Passed | None]:
        """The same, where what was sent before is known."""
        numbered = [(next(self.numbers), packet) for packet in sent]
        self.router.program("nft", "-f", "-", stdin=FORGET)
        wires = [(self.place.inside, self.inside), *((name, self.outside) for name in self.place.outside)]
        for interface, end in wires:
            target = self.router.call(packets.mac_of, interface)
            arriving = [(at, packet) for at, packet in numbered if packet.arriving == interface]
            frames = [each for at, packet in arriving for each in packets.frames(packet, at, target)]
            end.call(wire.send, interface, frames)
        own = (each for at, packet in numbered if not packet.arriving for each in packets.datagrams(packet, at))
        self.router.call(wire.send_from_here, list(own))
        seen = self.seen()
        return [seen.get((packet.family, at)) for at, packet in numbered]

    def seen(self) -> Mapping[tuple[int, int], Passed]:
        """By family and number: all that has passed since it was last forgotten."""
        listed = json.loads(self.router.program("nft", "-j", "list", "table", "inet", "probe"))["nftables"]
        sets = {each["set"]["name"]: each["set"].get("elem", ()) for each in listed if "set" in each}
        found = {(family, number): Passed() for family in FAMILIES for number in sets[f"passed{family}"]}
        for number, source, destination in (each["concat"] for each in sets["left"]):
            found[4, number] = Passed(source, destination)
        for number, destination, port in (each["concat"] for each in sets["led"]):
            found[4, number] = replace(found[4, number], destination=destination, port=port)
        return found


@contextmanager
def crossing(folder: Path, place: Place = GATEWAY) -> Iterator[Crossing]:
    """Until the context ends."""
    with Namespace() as router, Namespace() as inside, Namespace() as outside:
        for namespace in (router, inside, outside):
            namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        router.connect(place.inside, inside, place.inside)
        for name in place.outside:
            router.connect(name, outside, name)
        for interface, address in place.addresses:
            router.program("ip", "addr", "add", address, "dev", interface)
        for gateway in place.routers:
            router.program("ip", "route", "add", "default", "via", gateway)
        router.program("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        router.program("sysctl", "-q", "net.ipv4.conf.all.rp_filter=0")
        router.program("nft", "-f", "-", stdin=PROBE)
        facts = replace(network(router, router.call(Netlink)), serial=SERIAL, gadget_ports=place.ports)
        yield Crossing(place, router, inside, outside, router.call(Iptables), facts)


@contextmanager
def loaded(folder: Path, firewall: str, place: Place = GATEWAY) -> Iterator[Crossing]:
    """One with a section `firewall` of its own in force."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(folder, place) as made:
        made.load(appliance_with(firewall, place))
        yield made
