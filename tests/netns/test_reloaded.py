"""The box stays closed while ufw is stopped, started and reloaded, as packets that come all the time have it."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES
from firstboot.rendered.ufw import path_of, rules_of
from tests.lab.wire import opened
from tests.netns import packets
from tests.netns.crossing import LAN, OUTSIDE, PLACES, TUNNEL, Crossing, appliance_with, crossing
from tests.netns.ufw_files import own_ufw_files
from tests.verdicts import packet

pytestmark = pytest.mark.netns

DENIED = (
    ("outside", "box", "tcp/22"),
    ("outside", "box", "udp/53"),
    ("outside", "inside", "tcp/22"),
    ("inside", "box", "tcp/8080"),
    ("inside", "outside", "lying tcp/443"),
)
FIREWALL = """
firewall:
  port_forwards:
    - {port: tcp/8443, to: 192.168.2.21, to_port: 443}
  rules:
    - {from: inside, destination: 198.51.100.0/24, to: outside, port: tcp, nat: no, action: allow}
"""
RELOADS = int(os.environ.get("APPLIANCE_RELOADS", "3"))
"""A hundred take five minutes."""
SERVER = "2001:db8:ffff::80"
COUNTERS = """
table ip6 lived {
  counter came { }
  counter passed { }
  chain before { type filter hook forward priority -300; meta l4proto tcp counter name came; }
  chain after { type filter hook forward priority 200; meta l4proto tcp counter name passed; }
}
"""
"""How many packets of connections there are before the firewall, and after it."""
STOPS = {
    "reloaded": (("ufw", "reload"),) * 3,
    "off and on": (("ufw", "disable"), ("ufw", "--force", "enable")),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Crossing]:
    """The rules are those that ufw has loaded itself, as at boot; there is no daemon."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path) as made:
        own_ufw_files(made.router, tmp_path)
        for family in FAMILIES:
            path = tmp_path / "ufw" / path_of(family).name
            path.write_text(rules_of(policy_of(appliance_with(FIREWALL), made.facts), family).text)
        made.router.program("/usr/lib/ufw/ufw-init", "start")
        yield made


def saved(site: Crossing) -> list[str]:
    """All rules of both families, without what they have counted."""
    texts = (site.router.program(f"{name}-save") for name in ("iptables", "ip6tables"))
    return [re.sub(r"\[\d+:\d+\]|^#.*$", "", text, flags=re.MULTILINE) for text in texts]


def test_reloads_change_nothing(site: Crossing) -> None:
    """What is translated neither: ufw adds a rule that stands in its files to a built-in chain at each load."""
    site.router.program("ufw", "reload")  # which makes the chains in which ufw would log
    before = saved(site)
    assert "-j DNAT --to-destination 192.168.2.21:443" in before[0]
    assert before[0].count("-j MASQUERADE") == before[0].count("-A POSTROUTING -j appliance-nat") == 1
    for _ in range(RELOADS):
        site.router.program("ufw", "reload")
        assert saved(site) == before


@dataclass
class Flood:
    """Packets that the policy denies, each kind again and again."""

    sent: int = 0
    numbers: set[tuple[int, int]] = field(default_factory=set)


@contextmanager
def flooded(site: Crossing) -> Iterator[Flood]:
    """While the block runs."""
    flood, ended = Flood(), threading.Event()
    wires = {LAN: site.inside, OUTSIDE: site.outside, TUNNEL: site.outside}
    frames: dict[str, list[bytes]] = {wire: [] for wire in wires}
    for row in DENIED:
        for family in FAMILIES:
            one, number = packet(PLACES, *row, family), next(site.numbers)
            target = site.router.call(packets.mac_of, one.arriving)
            frames[one.arriving] += packets.frames(one, number, target)
            flood.numbers.add((family, number))
    lines = {wire: end.call(opened, wire) for wire, end in wires.items()}

    def send() -> None:
        while not ended.is_set():
            for wire, line in lines.items():
                for each in frames[wire]:
                    line.send(each)
                    flood.sent += 1
            time.sleep(0.001)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield flood
    finally:
        ended.set()
        sending.join()
        for line in lines.values():
            line.close()


@pytest.mark.parametrize("stop", STOPS)
def test_nothing_gets_in_while_ufw_is_reloaded_or_off(site: Crossing, stop: str) -> None:
    with flooded(site) as flood:
        for command in STOPS[stop]:
            site.router.program(*command)
    assert flood.sent > 1000
    assert not flood.numbers & site.seen().keys()


def test_without_the_last_chain_they_do(site: Crossing) -> None:
    """So that there is something to be seen above."""
    for program in ("iptables", "ip6tables"):
        site.router.program(program, "-F", "appliance-closed")
    with flooded(site) as flood:
        site.router.program("ufw", "reload")
    assert len(flood.numbers & site.seen().keys()) == len(flood.numbers)


def test_connections_live_on_while_ufw_is_reloaded_or_off(site: Crossing) -> None:
    site.inside.program("ip", "addr", "add", "2001:db8:123d:abc::20/64", "dev", LAN, "nodad")
    site.inside.program("ip", "-6", "route", "add", "default", "via", "2001:db8:123d:abc::1")
    site.outside.program("ip", "addr", "add", "2001:db8:123c:abd::1/64", "dev", TUNNEL, "nodad")
    site.outside.program("ip", "addr", "add", f"{SERVER}/128", "dev", TUNNEL, "nodad")
    site.outside.program("ip", "-6", "route", "add", "2001:db8:123d:abc::/64", "via", "2001:db8:123c:abd::2")
    site.router.program("nft", "-f", "-", stdin=COUNTERS)
    with closing(site.outside.call(_listen)) as listener, _connected(site, listener) as (line, far):
        ended = threading.Event()

        def speak() -> None:
            while not ended.is_set():
                line.sendall(b"?")
                far.sendall(far.recv(1))
                assert line.recv(1) == b"?"
                time.sleep(0.005)

        speaking = threading.Thread(target=speak)
        speaking.start()
        for command in (("ip6tables", "-F", "ufw6-before-forward"), ("ufw", "reload"), ("ufw", "disable")):
            site.router.program(*command)
        ended.set()
        speaking.join()
    told = site.router.program("nft", "list", "counters", "table", "ip6", "lived")
    came, passed = (int(number) for number in re.findall(r"packets (\d+)", told))
    assert came == passed > 100


def _listen() -> socket.socket:
    return socket.create_server((SERVER, 443), family=socket.AF_INET6)


@contextmanager
def _connected(site: Crossing, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    with closing(site.inside.call(socket.create_connection, (SERVER, 443), 5)) as near:
        far, _ = listener.accept()
        with closing(far):
            yield near, far
