"""What a host on the LAN has of a tunnel that dies: the whole daemon, real router advertisements, a real client."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firstboot.health.hysteresis import STEADY_S
from firstboot.reconcile import State
from tests.figures import Figure
from tests.netns.gadget_site import within
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.served_lan import CONFIG, LAN, has_way_out, lan_daemon
from tests.netns.tunnel_site import ISP, ROUTER, TunnelSite, tunnel_site

pytestmark = pytest.mark.netns
DUAL6, PORT = "2001:db8:ffff::80", 8080
OFFERED_S, WITHDRAWN_S, ADVERTISED_S, FALL_BACK_S, DNS_GAP_S = 40.0, 20.0, 6.0, 1.0, 1.0
QUERY = bytes.fromhex("00070100000100000000000006697076366777036c616e0000010001")
"""For the address of ipv6gw.lan."""


@dataclass
class Site:
    tunnel: TunnelSite
    living: Living

    def has_way_out(self) -> bool:
        """Whether the client has a default route for IPv6."""
        return has_way_out(self.tunnel.client)

    def connected_over(self) -> int:
        """The family by which the client gets to a server that has both, IPv6 preferred."""
        return self.tunnel.client.call(_connected_over)


def _connected_over() -> int:
    for family, address in ((6, DUAL6), (4, str(ISP))):
        try:
            socket.create_connection((address, PORT), timeout=5).close()
        except OSError:
            continue
        return family
    return 0


def _listening(address: str) -> socket.socket:
    """A server whose kernel does the handshakes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, PORT), family=family)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with tunnel_site() as made, lan_daemon(made, tmp_path_factory.mktemp("card"), CONFIG) as living:
        servers = [made.internet.call(_listening, DUAL6), made.isp.call(_listening, str(ISP))]
        with living:
            yield Site(made, living)
        for server in servers:
            server.close()


class Names(threading.Thread):
    """Asks the Pi for its own name all the time."""

    def __init__(self, client: Namespace) -> None:
        super().__init__(daemon=True)
        self._socket = client.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self._stopped = threading.Event()
        self.longest_s, self.answers = 0.0, 0

    def run(self) -> None:
        self._socket.settimeout(0.1)
        last = time.monotonic()
        while not self._stopped.wait(0.02):
            try:
                self._socket.sendto(QUERY, (LAN, 53))
                self._socket.recv(512)
            except OSError:
                continue
            now = time.monotonic()
            self.longest_s, last, self.answers = max(self.longest_s, now - last), now, self.answers + 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self._socket.close()


def test_a_tunnel_dies_and_carries_again(site: Site, figure: Figure) -> None:
    within(OFFERED_S, site.has_way_out)
    within(OFFERED_S, lambda: site.connected_over() == 6)
    names = Names(site.tunnel.client)
    names.start()
    with site.tunnel.rules(site.tunnel.home, "ip", "forward", "ip protocol 41 drop"):
        withdrawn_s = within(WITHDRAWN_S, lambda: not site.has_way_out())
        began = time.monotonic()
        assert site.connected_over() == 4
        fell_back_s = time.monotonic() - began
        assert fell_back_s < FALL_BACK_S
        within(5.0, lambda: site.living.daemon.outcomes["reach"].state is State.WAITING)
        reach = site.living.daemon.outcomes["reach"]
        assert reach.error == f"protocol 41, which the tunnel is made of, gets no further than {ROUTER}"
        assert "protocol 41" in reach.hint
    offered_s = within(STEADY_S + ADVERTISED_S + 5.0, site.has_way_out)
    assert offered_s > STEADY_S - 5.0
    assert site.connected_over() == 6
    within(5.0, lambda: site.living.daemon.outcomes["reach"].state is State.OK)
    names.stop()
    assert names.answers > 100
    assert names.longest_s < DNS_GAP_S
    figure(f"a tunnel that died was taken back from the LAN: {withdrawn_s:.1f} s")
    figure(f"a connection to a host of both families after that: {fell_back_s:.2f} s")
    figure(f"offered again, from when it carried again: {offered_s:.1f} s")
    figure(f"longest time without an answer of the Pi's DNS: {names.longest_s:.2f} s")


def test_the_daemon_starts_again_and_the_lan_hears_nothing_of_it(site: Site) -> None:
    within(OFFERED_S, site.has_way_out)
    started = site.tunnel.pi.call(_dnsmasq)
    site.living.__exit__()
    site.living.__enter__()
    site.living.rested(2.0)
    assert site.has_way_out()
    assert site.tunnel.pi.call(_dnsmasq) == started


def _dnsmasq() -> str:
    return Path("/run/appliance-dnsmasq/dnsmasq.pid").read_text()
