"""6rd from the provider's DHCP server to a client's answer from the Internet, and whose packets the firewall lets in.

```
 client ─ lan0 pi eth0 ─ provider (DHCP server and border relay) ─ the IPv6 Internet (addresses of its own)
```

The tunnel's ends are the lab's, as not every kernel here has 6in4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from appliance.completion import completion
from appliance.well_known import BEYOND
from firstboot.policy.decision import Packet
from firstboot.resources.units import DNSMASQ
from firstboot.tunnels.domain import OPTION, Domain
from firstboot.tunnels.said import said_of
from firstboot.tunnels.told import Told
from image.lab.tunnel_server import SERVING
from tests.lab import wire
from tests.netns import packets
from tests.netns.crossing import FORGET, Crossing, Place, appliance_with, crossing
from tests.netns.gadget_site import UnitFiles, running, within
from tests.netns.gateways import give_ufw_files
from tests.netns.living import Living
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns
NOT_HERE = ("hostname", "tunnel", "tunnel-sysctls", "dhcpcd", "status-page")
FIRST, LATER = IPv4Address("10.100.100.10"), IPv4Address("10.100.100.11")
ROUTER, RELAY, CUSTOMER = IPv4Address("10.100.100.254"), IPv4Address("10.0.0.1"), IPv4Address("10.7.7.7")
DOMAIN = Domain(IPv6Network("2001:db8::/32"), 8, (RELAY,))
TUNNEL = "he-ipv6"
OFFERED_S, RENUMBERED_S = 60.0, 30.0
CONFIG = """
profile: gateway
hostname: ipv6gw
ssh: {authorized_keys: []}
uplink: {interface: eth0, dns: [1.1.1.1]}
tunnel: {kind: 6rd}
lan: {interface: lan0, address: 192.168.2.1/24}
"""


class Bus(UnitFiles):
    """Units, and no NetworkManager."""

    lost = False


@dataclass
class Line:
    """The Pi's line to its provider, and whoever is behind the Pi."""

    pi: Namespace
    provider: Namespace
    client: Namespace
    ends: list[subprocess.Popen[str]] = field(default_factory=list)

    def lease(self, address: IPv4Address) -> None:
        """As a DHCP client and the kernel's tunnel do it: the relay sends to whom an address belongs."""
        self.end()
        self.pi.program("ip", "-4", "addr", "flush", "dev", "eth0")
        self.pi.program("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.pi.program("ip", "route", "replace", "default", "via", str(ROUTER), "dev", "eth0", "metric", "100")
        self.pi.program("ip", "-6", "addr", "flush", "dev", TUNNEL)
        self.pi.program("ip", "addr", "add", f"{IPv6Address(int(address))}/96", "dev", TUNNEL)
        delegated = DOMAIN.delegated(address)
        self.provider.program("ip", "-6", "route", "flush", "dev", TUNNEL)
        self.provider.program("ip", "-6", "route", "add", str(delegated), "dev", TUNNEL)
        self.ends = [
            self._end(self.pi, address, RELAY, IPv6Network("::/0")),
            self._end(self.provider, RELAY, address, delegated),
        ]

    def _end(
        self, namespace: Namespace, local: IPv4Address, remote: IPv4Address, prefix: IPv6Network
    ) -> subprocess.Popen[str]:
        argv = [
            sys.executable, "-m", "image.lab.tunnel_server", "--server", str(local), "--endpoint", str(remote),
            "--device", TUNNEL, "--prefix", str(prefix),
        ]  # fmt: skip
        process = namespace.call(_serving, argv)
        assert process.stderr is not None
        assert process.stderr.readline().strip() == SERVING
        return process

    def end(self) -> None:
        """There are no ends any more."""
        for process in self.ends:
            process.kill()
            process.communicate()
        self.ends = []

    def addresses(self) -> dict[str, bool]:
        """The client's global ones, and whether each is still to be used."""
        shown = json.loads(self.client.program("ip", "-6", "-json", "addr", "show", "dev", "eth0", "scope", "global"))
        found = [info for link in shown for info in link.get("addr_info", []) if info]
        return {info["local"]: not info.get("deprecated", False) for info in found}

    def uses(self, prefix: IPv6Network) -> bool:
        """Whether the client's addresses are of that prefix, those of others being of the past."""
        found = self.addresses()
        return bool(found) and any(found.values()) and all(
            (IPv6Address(address) in prefix) is preferred for address, preferred in found.items()
        )  # fmt: skip

    def reaches(self, host: IPv6Address) -> bool:
        """Whether the client does."""
        answers = self.client.program("sh", "-c", f"ping -6 -n -c 1 -W 2 {host} || true")
        return " 0% packet loss" in answers


def _serving(argv: list[str]) -> subprocess.Popen[str]:
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(argv, stdin=null, stdout=null, stderr=pipe, text=True)


@pytest.fixture
def line() -> Iterator[Line]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with ExitStack() as stack:
        pi, provider, client = (stack.enter_context(Namespace()) for _ in range(3))
        for namespace in (pi, provider, client):
            namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        pi.connect("eth0", provider, "eth0")
        pi.connect("lan0", client, "eth0")
        for namespace in (pi, provider):
            namespace.program("ip", "tuntap", "add", TUNNEL, "mode", "tun")
            namespace.program("ip", "link", "set", TUNNEL, "mtu", "1480", "up")
        provider.program("sysctl", "-q", "net.ipv6.conf.all.forwarding=1")
        for address in (f"{ROUTER}/24 dev eth0", f"{RELAY}/32 dev lo", *(f"{host}/128 dev lo" for host in BEYOND)):
            provider.program("ip", "addr", "add", *address.split())
        provider.program("ip", "addr", "add", f"{DOMAIN.anycast(FIRST)}/128", "dev", "lo")
        client.program("sysctl", "-q", "net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.forwarding=0")
        made = Line(pi, provider, client)
        stack.callback(made.end)
        made.lease(FIRST)
        told = bytes([DOMAIN.ipv4_mask_length, 32]) + DOMAIN.prefix.network_address.packed + RELAY.packed
        stack.enter_context(
            running(
                provider, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0",
                "--bind-dynamic", f"--dhcp-range={FIRST},{LATER}", f"--dhcp-option={OPTION},{told.hex(':')}",
                "--leasefile-ro", "--pid-file=", "--user=root", "--no-ping",
            )
        )  # fmt: skip
        yield made


def _state_directory() -> None:
    folder = Path("/var/lib/appliance-dnsmasq")
    folder.mkdir()
    shutil.chown(folder, "dnsmasq")


def test_a_client_has_what_the_providers_dhcp_server_tells_of(line: Line, tmp_path: Path) -> None:
    bus = Bus()
    living = Living(line.pi, tmp_path, CONFIG, without=NOT_HERE, bus=bus)
    give_ufw_files(line.pi)
    line.pi.call(_state_directory)
    with living:
        within(OFFERED_S, lambda: line.uses(DOMAIN.delegated(FIRST)))
        within(OFFERED_S, lambda: line.reaches(BEYOND[0]))
        line.lease(LATER)
        within(RENUMBERED_S, lambda: line.uses(DOMAIN.delegated(LATER)))
        within(OFFERED_S, lambda: line.reaches(BEYOND[1]))
    line.pi.call(bus.stop_unit, DNSMASQ)


PLACE = Place(
    CONFIG,
    "lan0",
    ("eth0", TUNNEL),
    (
        ("lan0", "192.168.2.1/24"),
        ("lan0", "2001:db8:6464:a00::1/64"),
        ("eth0", f"{FIRST}/24"),
        (TUNNEL, "2001:db8:6464:a00::2/128"),
    ),
    (str(ROUTER),),
)
INSIDE, OUTSIDE = IPv6Address("2001:db8:6464:a00::20"), IPv6Address("2001:4860:4860::8888")
OF_CUSTOMER, OF_OTHER_DOMAIN = IPv6Address("2001:db8:707:700::7"), IPv6Address("2001:db9:707:700::7")


@pytest.fixture
def firewall(tmp_path: Path) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path, PLACE) as made:
        made.facts = replace(made.facts, six_rd=Told("eth0", FIRST, DOMAIN))
        read = appliance_with("", PLACE)
        made.load(completion(read, *said_of(read, made.facts)).appliance)
        yield made


def arrives(site: Crossing, source: IPv4Address, inner: IPv6Address) -> bool:
    """Whether a packet of the tunnel's is let in."""
    [datagram] = packets.datagrams(Packet(inner, INSIDE, "icmp", type=128), 7)
    frame = packets.framed(packets.tunnelled(datagram, source, FIRST), site.router.call(packets.mac_of, "eth0"))
    site.router.program("nft", "-f", "-", stdin=FORGET)
    site.outside.call(wire.send, "eth0", [frame])
    return (4, 1) in site.seen()


def test_whose_packets_the_firewall_lets_in(firewall: Crossing) -> None:
    assert arrives(firewall, RELAY, OUTSIDE)
    assert arrives(firewall, CUSTOMER, OF_CUSTOMER)
    assert not arrives(firewall, CUSTOMER, OUTSIDE)
    assert not arrives(firewall, CUSTOMER, OF_OTHER_DOMAIN)
    assert not arrives(firewall, IPv4Address("203.0.113.9"), OF_CUSTOMER)
    assert not arrives(firewall, IPv4Address("203.0.113.9"), OUTSIDE)


def test_who_was_answered_may_not_send_in_anybodys_name_after_that(firewall: Crossing) -> None:
    assert arrives(firewall, CUSTOMER, OF_CUSTOMER)
    [answer] = packets.datagrams(Packet(INSIDE, OF_CUSTOMER, "icmp", type=129), 7)
    firewall.router.call(wire.send_from_here, [packets.tunnelled(answer, FIRST, CUSTOMER)])
    assert arrives(firewall, CUSTOMER, OF_CUSTOMER)
    assert "41" in firewall.router.program("conntrack", "-L", "-p", "41")
    assert not arrives(firewall, CUSTOMER, OUTSIDE)
