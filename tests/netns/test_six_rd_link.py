"""6rd in the kernel: the relay and another customer are reached, and who pretends to be another one is not heard.

```
 client ─ lan0 pi eth0 ─ provider ─ relay (and the Internet)
                                 └─ another customer
```
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from appliance.completion import completion
from appliance.model import Appliance
from appliance.parse import parse_text
from firstboot.checksum import checksum
from firstboot.host import Host
from firstboot.intent import seen
from firstboot.kind import Kind
from firstboot.netlink import Netlink
from firstboot.reconcile import actions_for
from firstboot.resources.addresses import Addresses
from firstboot.resources.routes import Routes
from firstboot.resources.tunnel import Tunnel
from firstboot.sources import EVERYTHING
from firstboot.tunnels.domain import Domain
from firstboot.tunnels.said import said_of
from firstboot.tunnels.told import Told
from tests.netns.namespace import Namespace
from tests.netns.tunnel_site import ip

pytestmark = pytest.mark.netns
KINDS: tuple[Kind[Any], ...] = (Tunnel(), Addresses(), Routes())
OWN, RELAY, CUSTOMER = IPv4Address("10.100.100.1"), IPv4Address("10.0.0.1"), IPv4Address("10.7.7.7")
DOMAIN = Domain(IPv6Network("2001:db8::/32"), 8, (RELAY,))
INTERNET, OF_CUSTOMER = IPv6Address("2001:4860:4860::8888"), DOMAIN.delegated(CUSTOMER)[7]
RELAY6, INSIDE, CLIENT = DOMAIN.anycast(OWN), IPv6Address("2001:db8:6464:100::1"), "2001:db8:6464:100::c"
NOBODY = IPv6Address("2001:db8:909:900::9")
CONFIG = b"""
profile: gateway
hostname: ipv6gw
ssh: {authorized_keys: []}
uplink: {interface: eth0}
tunnel: {kind: 6rd}
lan: {interface: lan0, address: 192.168.2.1/24}
"""


@dataclass
class Site:
    pi: Namespace
    client: Namespace
    customer: Namespace
    host: Host
    appliance: Appliance

    def differences(self) -> list[str]:
        """Between what is wanted and what the kernel has."""
        self.host.look(EVERYTHING)
        return [str(change) for kind in KINDS for change in self.pi.call(seen, self.appliance, kind, self.host).changes]

    def put_right(self) -> None:
        """One kind after the other."""
        for kind in KINDS:
            self.host.look(EVERYTHING)
            look = self.pi.call(seen, self.appliance, kind, self.host)
            assert look.error is None, look.error
            for action in actions_for(kind, look.changes):
                self.pi.call(self.host.execute, action)

    def pretend(self, source: IPv6Address) -> int:
        """The other customer asks for the Pi as somebody; how many such questions arrived."""
        before = self.pi.call(_asked)
        self.customer.call(_ask, source)
        self.pi.program("ping", "-6", "-n", "-c", "1", "-W", "5", str(OF_CUSTOMER))  # what came before has arrived
        return self.pi.call(_asked) - before


def _asked() -> int:
    lines = Path("/proc/thread-self/net/snmp6").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Icmp6InEchos "))


def _ask(source: IPv6Address) -> None:
    ends, content = source.packed + INSIDE.packed, struct.pack("!BBHHH", 128, 0, 0, 7, 7)
    summed = checksum(ends + struct.pack("!I3xB", len(content), 58) + content)
    packet = struct.pack("!IHBB", 6 << 28, len(content), 58, 64) + ends + content[:2] + struct.pack("!H", summed)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPV6) as line:
        line.sendto(packet + content[4:], (str(OWN), 0))


@pytest.fixture
def site() -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with ExitStack() as stack:
        pi, client, provider, relay, customer = (stack.enter_context(Namespace()) for _ in range(5))
        try:
            relay.program("ip", "tunnel", "add", "6rd", "mode", "sit", "local", str(RELAY), "ttl", "64")
        except AssertionError:
            pytest.skip("this kernel has no sit")
        _lay(pi, client, provider, relay, customer)
        netlink = pi.call(Netlink)
        stack.callback(pi.call, netlink.close)
        host = Host(netlink, None, six_rd=lambda: Told("eth0", OWN, DOMAIN))
        read = parse_text(CONFIG, "appliance.yaml").appliance
        yield Site(pi, client, customer, host, completion(read, *said_of(read, pi.call(host.facts))).appliance)


def _lay(pi: Namespace, client: Namespace, provider: Namespace, relay: Namespace, customer: Namespace) -> None:
    for namespace in (pi, client, provider, relay, customer):
        namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
    pi.connect("lan0", client, "eth0")
    for name, other, own in (("pi", pi, OWN), ("relay", relay, RELAY), ("customer", customer, CUSTOMER)):
        router = IPv4Network(f"{own}/24", strict=False)[254]
        provider.connect(f"to-{name}", other, "eth0")
        ip(provider, f"addr add {router}/24 dev to-{name}")
        ip(other, f"addr add {own}/24 dev eth0", f"route add default via {router} metric 100")
    provider.program("sysctl", "-q", "net.ipv4.ip_forward=1")
    ip(customer, f"tunnel add 6rd mode sit local {CUSTOMER} ttl 64")
    for namespace in (pi, relay, customer):
        namespace.program("sysctl", "-q", "net.ipv6.conf.all.forwarding=1")
    for namespace in (relay, customer):
        ip(namespace, f"tunnel 6rd dev 6rd 6rd-prefix {DOMAIN.prefix} 6rd-relay_prefix 10.0.0.0/8", "link set 6rd up")
        ip(namespace, f"-6 route add {DOMAIN.prefix} dev 6rd")
    ip(relay, f"addr add {RELAY6}/128 dev lo", f"addr add {INTERNET}/128 dev lo")
    ip(customer, f"addr add {OF_CUSTOMER}/128 dev lo")
    ip(client, f"addr add {CLIENT}/64 dev eth0", f"-6 route add default via {INSIDE}")


def test_the_kernel_has_what_is_wanted(site: Site) -> None:
    site.put_right()
    assert site.differences() == []
    site.pi.program("ip", "tunnel", "6rd", "dev", "he-ipv6", "6rd-prefix", "2001:db9::/32")
    assert len(site.differences()) == 1
    site.put_right()
    assert site.differences() == []


def test_relay_and_customers_are_reached_and_nobody_pretends(site: Site) -> None:
    site.put_right()
    for namespace in (site.pi, site.client):
        for host in (RELAY6, INTERNET, OF_CUSTOMER):
            namespace.program("ping", "-6", "-n", "-c", "1", "-W", "5", str(host))
    assert site.pretend(OF_CUSTOMER) == 1
    assert site.pretend(NOBODY) == 0
