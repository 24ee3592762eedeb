"""`ufw reload`, `ufw disable` and `ufw enable`, as a person runs them, with packets sent all the while."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES
from firstboot.rendered.ufw import path_of, rules_of
from tests.netns import packets
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parents[2]
FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443, udp: [443, 5000-5010]}
    - {to: "2001:db8:123d:abc::20", tcp: 443}
  port_forwards:
    - {port: tcp/8443, to: 192.168.2.21, to_port: 443}
  rules:
    - {from: inside, destination: 198.51.100.0/24, to: outside, nat: no, action: allow}
"""
SO_RCVBUFFORCE = 33
"""linux/socket.h; Python has no name for it."""
SHUT = 2222
WAYS = (
    ("203.0.113.9", "203.0.113.5", OUTSIDE),
    ("203.0.113.9", "192.168.2.20", OUTSIDE),
    ("2001:db8:ffff::80", "2001:db8:123c:abd::2", TUNNEL),
    ("2001:db8:ffff::80", "2001:db8:123d:abc::20", TUNNEL),
)
"""From outside to the box, and through it, in both families."""
PROBE = f"""
table inet knocking {{
  counter passed {{ }}
  chain input {{ type filter hook input priority 200; tcp dport {SHUT} counter name passed; }}
  chain forward {{ type filter hook forward priority 200; tcp dport {SHUT} counter name passed; }}
}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path) as made:
        made.router.program("mount", "-t", "tmpfs", "tmpfs", "/etc/ufw")
        made.router.program("cp", "-r", "/usr/share/ufw/iptables/.", f"{ROOT}/overlays/base/etc/ufw/.", "/etc/ufw")
        made.router.program("mkdir", "/etc/ufw/applications.d")
        made.router.program("mount", "--bind", f"{ROOT}/overlays/base/etc/default/ufw", "/etc/default/ufw")
        for family in FAMILIES:
            text = rules_of(appliance_with(FIREWALL), made.facts, family).text
            made.router.call(path_of(family).write_text, text)
        made.router.program("ufw", "reload")
        made.router.program("nft", "-f", "-", stdin=PROBE)
        yield made


def rules(site: Crossing) -> list[str]:
    """Of both families, without what packets count."""
    saved = (site.router.program(f"{name}-save") for name in ("iptables", "ip6tables"))
    return [re.sub(r"\[\d+:\d+\]|^#.*$", "", text, flags=re.M) for text in saved]


def test_reloads_change_nothing(site: Crossing) -> None:
    before = rules(site)
    assert "-j DNAT --to-destination 192.168.2.21:443" in before[0]
    assert before[0].count("-j MASQUERADE") == 1
    for _ in range(5):
        site.router.program("ufw", "reload")
        assert rules(site) == before


@pytest.mark.parametrize("command", ["ufw reload; ufw reload", "ufw disable; ufw --force enable"])
def test_meanwhile_nothing_new_comes_in_and_what_was_there_goes_on(site: Crossing, command: str) -> None:
    with knocking(site) as sent, known_connection(site) as counted:
        site.router.program("sh", "-ec", command)
    assert min(sent) > 200
    assert knocked(site) == 0
    assert counted[0] > 100
    assert counted[1] == counted[0]
    assert "appliance-shut" not in site.router.program("nft", "list", "tables")


def test_without_what_shuts_it_meanwhile_it_would_be_open(site: Crossing) -> None:
    site.router.program("rm", "/etc/ufw/before.init")
    with knocking(site):
        site.router.program("ufw", "reload")
    assert knocked(site) > 0


@contextmanager
def knocking(site: Crossing) -> Iterator[list[int]]:
    """All the time, from outside, at a port that is shut; how many packets were sent each way."""
    ended, sent = threading.Event(), [0] * len(WAYS)

    def knock() -> None:
        while not ended.is_set():
            for number, (interface, frames) in enumerate(knocks):
                packets.send(interface, frames)
                sent[number] += len(frames)
            time.sleep(0.001)

    knocks = []
    for source, destination, interface in WAYS:
        knock_at = Packet(ip_address(source), ip_address(destination), "tcp", interface, port=SHUT)
        mac = site.router.call(packets.mac_of, interface)
        knocks.append((interface, [packets.frame(knock_at, 1025 + port, mac) for port in range(20)]))
    thread = threading.Thread(target=site.outside.call, args=(knock,))
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def knocked(site: Crossing) -> int:
    """How many of them came by after the firewall."""
    listed = json.loads(site.router.program("nft", "-j", "list", "counters", "table", "inet", "knocking"))["nftables"]
    return int(next(each["counter"]["packets"] for each in listed if "counter" in each))


@contextmanager
def known_connection(site: Crossing) -> Iterator[list[int]]:
    """Datagrams from inside to the box, of a connection that both have spoken in: how many were sent, and arrived."""
    site.inside.program("ip", "addr", "add", "192.168.2.20/24", "dev", LAN)
    ended, counted = threading.Event(), [0, 0]
    line = partial(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    with closing(site.inside.call(line)) as speaker, closing(site.router.call(line)) as hearer:
        hearer.bind(("192.168.2.1", 53))
        hearer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        hearer.settimeout(5)
        speaker.connect(("192.168.2.1", 53))
        speaker.send(b"question")
        hearer.sendto(b"answer", hearer.recvfrom(100)[1])

        def speak() -> None:
            while not ended.is_set():
                speaker.send(b"more")
                counted[0] += 1
                time.sleep(0.005)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield counted
        finally:
            ended.set()
            thread.join()
        hearer.setblocking(False)
        with suppress(BlockingIOError):
            while hearer.recv(100):
                counted[1] += 1
