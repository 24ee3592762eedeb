"""Two tunnels, one as a fallback: the whole daemon, two brokers that refuse foreign sources, and a real client."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

import pytest

from appliance.well_known import BEYOND
from firstboot.health.hysteresis import STEADY_S
from firstboot.reconcile import State
from tests.figures import Figure
from tests.netns.gadget_site import within
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.served_lan import LAN, has_way_out, lan_daemon
from tests.netns.tunnel_site import OWN, PI, ROUTED, ROUTER, SERVER
from tests.netns.two_tunnels import (
    CLIENT,
    CLIENT_BY_OTHER,
    OTHER_OWN,
    OTHER_ROUTED,
    OTHER_SERVER,
    TwoTunnels,
    two_tunnels,
)

pytestmark = pytest.mark.netns
OFFERED_S, SWITCHED_S, WITHDRAWN_S, ADVERTISED_S, SOON_S = 40.0, 10.0, 10.0, 6.0, 5.0
OPEN, SHUT = 8081, 8080
FIRST, SECOND = {str(CLIENT): True, str(CLIENT_BY_OTHER): False}, {str(CLIENT): False, str(CLIENT_BY_OTHER): True}
"""What the client has while the preferred tunnel serves, and while the fallback does: whether to choose an address."""

CONFIG = f"""
profile: gateway
hostname: ipv6gw
ssh: {{authorized_keys: []}}
uplink: {{interface: eth0, address: {PI}/24, gateway: {ROUTER}, dns: [1.1.1.1]}}
tunnel:
  server: {SERVER}
  address: "{OWN}/64"
  routed: "{ROUTED}"
  fallback: {{server: {OTHER_SERVER}, address: "{OTHER_OWN}/64", routed: "{OTHER_ROUTED}"}}
lan: {{interface: lan0, address: {LAN}/24}}
firewall:
  allow_in:
    - {{to: "{CLIENT_BY_OTHER}", tcp: [{OPEN}]}}
"""


@dataclass
class Site:
    tunnels: TwoTunnels
    living: Living

    @property
    def client(self) -> Namespace:
        return self.tunnels.site.client

    def addresses(self) -> dict[str, bool]:
        """The client's, and whether it is to choose each."""
        shown = json.loads(self.client.program("ip", "-6", "-json", "addr", "show", "dev", "eth0", "scope", "global"))
        found = [info for link in shown for info in link.get("addr_info", []) if info]
        return {info["local"]: not info.get("deprecated", False) for info in found}

    def reaches(self, host: IPv6Address, source: IPv6Address | None = None) -> bool:
        """Whether the client does, from that address or from one that it chooses."""
        own = f"-I {source}" if source is not None else ""
        return " 0% packet loss" in self.client.program("sh", "-c", f"ping -6 -n -c 1 -W 2 {own} {host} || true")

    def is_reached_at(self, address: IPv6Address, port: int) -> bool:
        """Whether the Internet gets to the client."""
        return self.tunnels.site.internet.call(_connected, str(address), port)


def _connected(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _listening(port: int) -> socket.socket:
    return socket.create_server(("::", port), family=socket.AF_INET6)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with two_tunnels() as made, lan_daemon(made.site, tmp_path_factory.mktemp("card"), CONFIG) as living:
        servers = [made.site.client.call(_listening, port) for port in (OPEN, SHUT)]
        with living:
            yield Site(made, living)
        for server in servers:
            server.close()


def test_both_are_up_and_each_has_what_comes_from_its_own_prefix(site: Site) -> None:
    within(OFFERED_S, lambda: has_way_out(site.client) and site.addresses() == FIRST)
    within(OFFERED_S, lambda: site.living.daemon.outcomes["reach"].state is State.OK)
    assert site.reaches(BEYOND[0])
    assert site.reaches(BEYOND[0], CLIENT) and site.reaches(BEYOND[0], CLIENT_BY_OTHER), "or a broker refused them"


def test_the_outside_is_behind_the_fallback_as_well(site: Site) -> None:
    within(OFFERED_S, lambda: site.addresses() == FIRST)
    assert site.is_reached_at(CLIENT_BY_OTHER, OPEN)
    assert not site.is_reached_at(CLIENT_BY_OTHER, SHUT)
    assert not site.is_reached_at(CLIENT, OPEN)


def test_the_fallback_serves_while_the_preferred_is_dead(site: Site, figure: Figure) -> None:
    within(OFFERED_S, lambda: site.addresses() == FIRST)
    with site.tunnels.dead(site.tunnels.site.broker):
        switched_s = within(SWITCHED_S, lambda: site.addresses() == SECOND)
        assert has_way_out(site.client)
        assert site.reaches(BEYOND[0])
        within(SOON_S, lambda: site.living.daemon.outcomes["reach"].state is State.WAITING)
        assert site.living.daemon.outcomes["reach"].setting == "tunnel"
    back_s = within(STEADY_S + ADVERTISED_S + 5.0, lambda: site.addresses() == FIRST)
    assert back_s > STEADY_S - 5.0
    assert has_way_out(site.client) and site.reaches(BEYOND[1])
    within(SOON_S, lambda: site.living.daemon.outcomes["reach"].state is State.OK)
    figure(f"a tunnel that died, until the LAN had the fallback's addresses: {switched_s:.1f} s")
    figure(f"and its own again, from when it carried again: {back_s:.1f} s")


def test_the_daemon_starts_again_while_the_fallback_serves(site: Site) -> None:
    within(OFFERED_S, lambda: site.addresses() == FIRST)
    with site.tunnels.dead(site.tunnels.site.broker):
        within(SWITCHED_S, lambda: site.addresses() == SECOND)
        site.living.__exit__()
        site.living.__enter__()
        site.living.rested(2.0)
        assert has_way_out(site.client) and site.addresses() == SECOND
    within(STEADY_S + ADVERTISED_S + 5.0, lambda: site.addresses() == FIRST)


def test_a_dead_fallback_is_told_of_and_changes_nothing(site: Site) -> None:
    within(OFFERED_S, lambda: site.addresses() == FIRST)
    with site.tunnels.dead(site.tunnels.other):
        within(SWITCHED_S, lambda: site.living.daemon.outcomes["reach"].state is State.WAITING)
        reach = site.living.daemon.outcomes["reach"]
        assert reach.setting == "tunnel.fallback" and reach.error.startswith("of the fallback: ")
        assert has_way_out(site.client) and site.addresses() == FIRST
    within(STEADY_S + 10.0, lambda: site.living.daemon.outcomes["reach"].state is State.OK)


def test_without_both_the_lan_has_no_ipv6(site: Site) -> None:
    within(OFFERED_S, lambda: has_way_out(site.client))
    with site.tunnels.dead(site.tunnels.site.broker, site.tunnels.other):
        within(WITHDRAWN_S, lambda: not has_way_out(site.client))
    within(STEADY_S + ADVERTISED_S + 5.0, lambda: has_way_out(site.client) and site.addresses() == FIRST)
