"""What nmap finds from outside: what `allow_in` lists, and nothing else."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from firstboot.readable import readable
from image.lab.waiting import until
from tests.lab.scan import SILENT, scan
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: [443], udp: [443]}
    - {to: "2001:db8:123d:abc::20", tcp: [443, 8000-8001], udp: [443, 4500]}
  port_forwards:
    - {port: tcp/2222, to: 192.168.2.20, to_port: 22}
"""
FAST = ("--min-rate", "10000")
SCANNED, SCANNED_UDP = "1-10000", "53,67,123,161,443,500,514,547,1900,4500,5353"
BOX4, BOX6, BOX6_LAN = "203.0.113.5", "2001:db8:123c:abd::2", "2001:db8:123d:abc::1"
HOST4, HOST6 = "192.168.2.20", "2001:db8:123d:abc::20"
LISTENING = ((HOST4, 22), (HOST4, 443), (HOST4, 80), (HOST6, 22), (HOST6, 443), (HOST6, 8000))
ANSWERING = ((HOST4, 53), (HOST4, 443), (HOST6, 53), (HOST6, 443))
BOX_ANSWERING = ((BOX4, 53), (BOX6, 53), (BOX6_LAN, 53))
"""Over UDP."""


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
    until(lambda: not site.router.program("ip", "-6", "addr", "show", "tentative"), "its addresses are", timeout_s=10)


def test_from_outside_only_what_is_listed_is_found(site: Crossing) -> None:
    ask = site.outside.program
    with ExitStack() as stack:
        for address, port in LISTENING:
            stack.enter_context(site.inside.call(_bound, socket.SOCK_STREAM, address, port)).listen()
        assert scan(ask, BOX4, SCANNED, *FAST) == ({443: "open", 2222: "open"}, SILENT["tcp"])
        assert scan(ask, HOST6, SCANNED, *FAST) == ({443: "open", 8000: "open", 8001: "closed"}, SILENT["tcp"])
        for address in (BOX6, BOX6_LAN):
            assert scan(ask, address, SCANNED, *FAST) == ({}, SILENT["tcp"])


def test_and_so_over_udp(site: Crossing) -> None:
    """Whoever may be asked and has nobody listening there says so."""
    with answering(site):
        assert scan(site.outside.program, BOX4, SCANNED_UDP, protocol="udp") == ({443: "open"}, SILENT["udp"])
        found = scan(site.outside.program, HOST6, SCANNED_UDP, protocol="udp")
        assert found == ({443: "open", 4500: "closed"}, SILENT["udp"])
        for address in (BOX6, BOX6_LAN):
            assert scan(site.outside.program, address, SCANNED_UDP, protocol="udp") == ({}, SILENT["udp"])


def test_without_the_rules_it_finds_more(tmp_path: Path) -> None:
    with crossing(tmp_path) as bare:
        _give_addresses(bare)
        with bare.inside.call(_bound, socket.SOCK_STREAM, HOST6, 80) as line, answering(bare):
            line.listen()
            assert scan(bare.outside.program, HOST6, SCANNED, *FAST) == ({80: "open"}, "closed")
            for address in (HOST6, BOX6, BOX4):
                found, others = scan(bare.outside.program, address, "53,67,500", protocol="udp")
                assert (found, others) == ({53: "open"}, "closed")


@contextmanager
def answering(site: Crossing) -> Iterator[None]:
    """Whoever is asked over UDP, inside and on the box, answers while the block runs."""
    ended = threading.Event()
    with ExitStack() as stack:
        lines = [
            stack.enter_context(place.call(_bound, socket.SOCK_DGRAM, address, port))
            for place, ends in ((site.inside, ANSWERING), (site.router, BOX_ANSWERING))
            for address, port in ends
        ]
        thread = threading.Thread(target=_answer, args=(lines, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _answer(lines: Sequence[socket.socket], ended: threading.Event) -> None:
    while not ended.is_set():
        for line in readable(lines, 0.1):
            _, whose = line.recvfrom(65536)
            line.sendto(b"!", whose)


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    return made
