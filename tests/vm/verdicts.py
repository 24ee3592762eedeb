"""The booted gateway between an outside and an inside: which packets its firewall lets by.

The outside is the lab, in IPv6 by the tunnel itself. The inside is a namespace in the guest: the lab's LAN is the
uplink's here, as the example has one arm.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence, Set
from pathlib import Path

from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES
from image.lab.cables import WIRES
from image.lab.gateway import Lab
from image.lab.guest import Guest
from image.lab.home import CARD_MAC
from image.lab.waiting import until
from tests.lab import wire
from tests.netns.packets import datagrams, framed, frames, tunnelled
from tests.netns.probe import ARRIVED, PROBE
from tests.verdicts import BROKER, FIREWALL, Places
from tests.vm import on_the_pi

INSIDE, LAN = "inside", "lan0"
LAN_MAC = "02:00:00:00:00:09"
CARD = "pi0"
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


def give_second_arm(guest: Guest, config: str) -> None:
    """The gateway with this configuration, but with an inside of its own, and one service there."""
    begun, _, _ = config.partition("lan:\n")
    lan = f"lan:\n  interface: {LAN}\n  address: 192.168.2.1/24\n"
    guest.run("ip", "netns", "add", INSIDE)
    guest.run("ip", "link", "add", LAN, "address", LAN_MAC, "type", "veth", "peer", "name", LAN, "netns", INSIDE)
    guest.run("ip", "-n", INSIDE, "link", "set", LAN, "up")
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


def crossed(guest: Guest, lab: Lab, sent: Sequence[Packet]) -> list[bool]:
    """Which of these the firewall lets in, out or through; TimeoutError if one does not get as far as the firewall."""
    numbered = list(enumerate(sent, FIRST_NUMBER))
    answer = guest.ask(["nft", "-f", "-"], stdin=PROBE + ARRIVED)
    assert answer.code == 0, answer.output
    # In this order, so that nothing is an answer: most that is let in is answered by nobody.
    outside = [each for at, one in numbered if one.arriving in (OUTSIDE, TUNNEL) for each in outer(lab, one, at)]
    lab.world.run(WIRES, [sys.executable, "-m", "tests.lab.wire", CARD, *(each.hex() for each in outside)])
    inside = [each for at, one in numbered if one.arriving == LAN for each in frames(one, at, _mac(LAN_MAC))]
    _in_guest(guest, [f"--net=/run/netns/{INSIDE}"], LAN, inside)
    _in_guest(guest, [], "-", [each for at, one in numbered if not one.arriving for each in datagrams(one, at)])
    numbers = {(one.family, at) for at, one in numbered}
    seen = until(lambda: _seen(guest, numbers), "all packets are at the firewall", timeout_s=10)
    return [(one.family, at) in seen for at, one in numbered]


def outer(lab: Lab, one: Packet, number: int) -> Sequence[bytes]:
    """The frames that the Pi's network card gets: what comes by the tunnel is in the tunnel server's packets."""
    inner = datagrams(one, number)
    if one.family == 6:
        inner = [tunnelled(each, lab.site.tunnel_server, lab.site.pi_uplink.ip) for each in inner]
    return [framed(each, _mac(CARD_MAC)) for each in inner]


def _mac(text: str) -> bytes:
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
