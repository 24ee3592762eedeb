"""What the real dnsmasq says with our configuration: what goes wrong, and nothing of each lease and advertisement."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from appliance.parse import parse_text
from firstboot.facts import Facts
from firstboot.health.diagnosis import Health
from firstboot.rendered import dnsmasq
from tests.netns.gadget_site import running, within
from tests.netns.namespace import Namespace
from tests.netns.served_lan import CONFIG, LAN
from tests.netns.tunnel_site import ROUTED

pytestmark = pytest.mark.netns
FULL = CONFIG.replace("192.168.2.100-192.168.2.200", "192.168.2.100-192.168.2.100")
"""With an address for one host."""

SEEN_S = 30.0
ROUTINE = ("DHCPACK", "DHCPREQUEST", "DHCPOFFER", "INFORMATION-REQUEST", "RTR-ADVERT", "RTR-SOLICIT")


@dataclass
class Lan:
    client: Namespace
    folder: Path

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def is_given_all(self) -> bool:
        """Whether the client has an address by SLAAC: it has had an advertisement."""
        return "dynamic" in self.client.program("ip", "-6", "address", "show", "dev", "eth0", "scope", "global")

    def is_informed(self) -> bool:
        """Whether the client is told the DNS server by stateless DHCPv6."""
        asking = shlex.join(self.dhclient("-6", "-S"))
        return "yes" in self.client.program("sh", "-c", f"timeout 10 {asking} 2>/dev/null && echo yes || true")

    def dhclient(self, *options: str) -> tuple[str, ...]:
        files = ("-lf", f"{self.folder}/client-leases", "-pf", f"{self.folder}/client-pid", "-cf", "/dev/null")
        return ("dhclient", "-d", "-1", "-sf", "/bin/true", *files, *options, "eth0")


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    *_, file = dnsmasq.files(parse_text(FULL.encode(), "a.yaml").appliance, Facts(healths=(Health(carries=True),)))
    assert file.content is not None
    leases = tmp_path / "leases"
    (tmp_path / "conf").write_text(file.content.decode().replace(dnsmasq.LAN_LEASES, str(leases)))
    with Namespace() as pi, Namespace() as client:
        pi.connect("lan0", client, "eth0")
        client.program("sysctl", "-q", "net.ipv6.conf.eth0.accept_ra=2")
        pi.program("ip", "address", "add", f"{LAN}/24", "dev", "lan0")
        pi.program("ip", "address", "add", f"{IPv6Network(ROUTED)[1]}/64", "dev", "lan0", "nodad")
        words = (f"--conf-file={tmp_path}/conf", f"--log-facility={tmp_path}/log", "--pid-file=")
        with running(pi, "dnsmasq", "--keep-in-foreground", *words):
            yield Lan(client, tmp_path)


def test_what_goes_wrong_is_said_and_what_is_usual_is_not(lan: Lan) -> None:
    within(SEEN_S, lan.is_given_all)
    within(SEEN_S, lan.is_informed)
    with running(lan.client, *lan.dhclient("-4")):
        within(SEEN_S, lambda: "192.168.2.100" in (lan.folder / "leases").read_text())
    lan.client.program("ip", "link", "set", "eth0", "address", "02:00:00:00:00:02")
    with running(lan.client, *lan.dhclient("-4")):
        within(SEEN_S, lambda: "no address available" in lan.said())
    assert not [word for word in ROUTINE if word in lan.said()]
