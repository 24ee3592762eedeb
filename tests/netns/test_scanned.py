"""What nmap finds from outside: what `allow_in` lists, and nothing else."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: [443]}
    - {to: "2001:db8:123d:abc::20", tcp: [443, 8000-8001]}
  port_forwards:
    - {port: tcp/2222, to: 192.168.2.20, to_port: 22}
"""
SCANNED = "1-10000"
HOST4, HOST6 = "192.168.2.20", "2001:db8:123d:abc::20"
LISTENING = ((HOST4, 22), (HOST4, 443), (HOST4, 80), (HOST6, 22), (HOST6, 443), (HOST6, 8000))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path) as made:
        _give_addresses(made)
        made.load(appliance_with(FIREWALL))
        yield made


def _give_addresses(site: Crossing) -> None:
    site.inside.program("ip", "addr", "add", f"{HOST4}/24", "dev", LAN)
    site.inside.program("ip", "addr", "add", f"{HOST6}/64", "dev", LAN, "nodad")
    site.inside.program("ip", "route", "add", "default", "via", "192.168.2.1")
    site.inside.program("ip", "-6", "route", "add", "default", "via", "2001:db8:123d:abc::1")
    site.outside.program("ip", "addr", "add", "203.0.113.9/24", "dev", OUTSIDE)
    site.outside.program("ip", "addr", "add", "2001:db8:123c:abd::1/64", "dev", TUNNEL, "nodad")
    site.outside.program("ip", "-6", "route", "add", "2001:db8:123d:abc::/64", "via", "2001:db8:123c:abd::2")


def scan(site: Crossing, address: str) -> tuple[dict[int, str], str]:
    """The ports that are told by themselves, and their states; and the state of all others."""
    family = ["-6"] if ":" in address else []
    words = ["nmap", *family, "-Pn", "-n", "-sS", "-p", SCANNED, "--min-rate", "5000", "--max-retries", "1", "-oG", "-"]
    told = site.outside.program(*words, address)
    others = re.search(r"Ignored State: (\w+)", told) or re.search(r"All \d+ scanned ports .* (filtered|closed)", told)
    assert others is not None, told
    return {int(port): state for port, state in re.findall(r"(\d+)/(\w+)/tcp", told)}, others[1]


def test_from_outside_only_what_is_listed_is_found(site: Crossing) -> None:
    servers = [site.inside.call(_listen, address, port) for address, port in LISTENING]
    try:
        assert scan(site, "203.0.113.5") == ({443: "open", 2222: "open"}, "filtered")
        assert scan(site, HOST6) == ({443: "open", 8000: "open", 8001: "closed"}, "filtered")
        assert scan(site, "2001:db8:123c:abd::2") == ({}, "filtered")
        assert scan(site, "2001:db8:123d:abc::1") == ({}, "filtered")
    finally:
        for server in servers:
            server.close()


def test_without_the_rules_it_finds_more(tmp_path: Path) -> None:
    with crossing(tmp_path) as bare:
        _give_addresses(bare)
        with closing(bare.inside.call(_listen, HOST6, 80)):
            assert scan(bare, HOST6) == ({80: "open"}, "closed")


def _listen(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen()
    return made
