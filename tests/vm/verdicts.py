"""A booted machine between an outside and an inside: which packets its firewall lets by.

The outside is the lab, a gateway's in IPv6 by the tunnel itself. The inside is a namespace in the guest: the lab's LAN
is the uplink's here, as the example has one arm, and a gadget's laptop is there anyway.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES
from image.lab.cables import CARD_MAC, WIRES
from image.lab.gateway import Lab
from image.lab.guest import Guest
from image.lab.home import CARD
from image.lab.waiting import until
from image.lab.world import World
from tests.lab import wire
from tests.netns.packets import datagrams, framed, frames, tunnelled
from tests.netns.probe import ARRIVED, PROBE
from tests.verdicts import BROKER, FIREWALL, Places
from tests.vm import on_the_pi

LAN, LAN_MAC = "lan0", "02:00:00:00:00:09"
OUTSIDE, TUNNEL = "eth0", "he-ipv6"
FIRST_NUMBER = 1025
PLACES = Places(
    hosts={
        4: {"outside": "203.0.113.9", "inside": "192.168.2.20", "box": "192.168.1.252", "broker": BROKER},
        6: {"outside": "2001:db8:ffff::80", "inside": "2001:db8:123d:abc::20", "box": "2001:db8:123c:abd::2"},
    },
    wires={
        4: {"outside": OUTSIDE, "inside": LAN, "box": "", "broker": OUTSIDE},
        6: {"outside": TUNNEL, "inside": LAN, "box": ""},
    },
)


@dataclass(frozen=True)
class Inside:
    """Who is inside: a namespace of the guest, its wire to the Pi, and the Pi's interface there, with its address."""

    namespace: str
    wire: str
    interface: str
    mac: str


INSIDE = Inside("inside", LAN, LAN, LAN_MAC)
Frames = Callable[[Packet, int], Sequence[bytes]]


def give_second_arm(guest: Guest, config: str) -> None:
    """The gateway with this configuration, but with an inside of its own, and one service there."""
    begun, _, _ = config.partition("lan:\n")
    lan = f"lan:\n  interface: {LAN}\n  address: 192.168.2.1/24\n"
    there = INSIDE.namespace
    guest.run("ip", "netns", "add", there)
    guest.run("ip", "link", "add", LAN, "address", LAN_MAC, "type", "veth", "peer", "name", LAN, "netns", there)
    guest.run("ip", "-n", there, "link", "set", LAN, "up")
    guest.run("systemctl", "stop", "appliance.service")  # who starts anew with another file, takes it for meant
    guest.write(on_the_pi.CONFIG, begun + lan + FIREWALL)
    guest.run("systemctl", "start", "appliance.service", timeout_s=120)
    until(lambda: _has_rules_for_both(guest), "the rules are in force", timeout_s=90, every_s=2)


def _has_rules_for_both(guest: Guest) -> bool:
    """Whether the kernel has, in both families, those of the policy that has the machine inside."""
    answer = guest.ask(["appliance", "firewall", "explain", "--json"])
    found = json.loads(answer.output) if answer.code == 0 else {"counted": [], "rules": []}
    inside = PLACES.hosts[4]["inside"]
    return found["counted"] == list(FAMILIES) and any(rule["destination"] == inside for rule in found["rules"])


def crossed(guest: Guest, world: World, inside: Inside, outer: Frames, sent: Sequence[Packet]) -> list[bool]:
    """Which of these the firewall lets in, out or through; TimeoutError if one does not get as far as the firewall.

    `outer`: the frames that its network card gets for a packet from outside.
    """
    numbered = list(enumerate(sent, FIRST_NUMBER))
    _change_tables(guest, PROBE + ARRIVED)
    # In this order, so that nothing is an answer: most that is let in is answered by nobody.
    far = [each for at, one in numbered if one.arriving not in ("", inside.interface) for each in outer(one, at)]
    world.run(WIRES, [sys.executable, "-m", "tests.lab.wire", CARD, *(each.hex() for each in far)])
    mac = mac_of(inside.mac)
    near = [each for at, one in numbered if one.arriving == inside.interface for each in frames(one, at, mac)]
    _in_guest(guest, [f"--net=/run/netns/{inside.namespace}"], inside.wire, near)
    _in_guest(guest, [], "-", [each for at, one in numbered if not one.arriving for each in datagrams(one, at)])
    numbers = {(one.family, at) for at, one in numbered}
    seen = until(lambda: _seen(guest, numbers), "all packets are at the firewall", timeout_s=10)
    _change_tables(guest, "delete table inet probe\ndelete table inet arrived\n")
    return [(one.family, at) in seen for at, one in numbered]


def _change_tables(guest: Guest, commands: str) -> None:
    answer = guest.ask(["nft", "-f", "-"], stdin=commands)
    assert answer.code == 0, answer.output


def at_gateway(lab: Lab, one: Packet, number: int) -> Sequence[bytes]:
    """The frames that its network card gets: what comes by the tunnel is in the tunnel server's packets."""
    inner = datagrams(one, number)
    if one.family == 6:
        inner = [tunnelled(each, lab.site.tunnel_server, lab.site.pi_uplink.ip) for each in inner]
    return [framed(each, mac_of(CARD_MAC)) for each in inner]


def at_gadget(one: Packet, number: int) -> Sequence[bytes]:
    """The frames that its network card gets."""
    return frames(one, number, mac_of(CARD_MAC))


def mac_of(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _in_guest(guest: Guest, spaces: Sequence[str], place: str, packets: Sequence[bytes]) -> None:
    argv = [*(["nsenter", *spaces] if spaces else []), "python3", "-", place, *(each.hex() for each in packets)]
    answer = guest.ask(argv, stdin=Path(wire.__file__).read_text())
    assert answer.code == 0, answer.output


def _seen(guest: Guest, numbers: Set[tuple[int, int]]) -> Set[tuple[int, int]] | None:
    """What has passed, by family and number, once all of these have come."""
    came, passed = _numbers(guest, "arrived", "came"), _numbers(guest, "probe", "passed")
    return passed if came >= numbers else None


def _numbers(guest: Guest, table: str, name: str) -> Set[tuple[int, int]]:
    listed = json.loads(guest.run("nft", "-j", "list", "table", "inet", table))["nftables"]
    sets = {each["set"]["name"]: each["set"].get("elem", ()) for each in listed if "set" in each}
    return {(family, number) for family in FAMILIES for number in sets[f"{name}{family}"]}
