"""A second broker beside a `TunnelSite`, whose server leads to the same Internet, and the Pi's end of its tunnel.

```
 client ─ lan0 pi eth0 ─ home (NAT) ─ isp ─┬ broker ─ internet
                                           └ other ── internet
```
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from appliance.well_known import BEYOND
from tests.netns.namespace import Namespace
from tests.netns.tunnel_site import PUBLIC, ROUTED, TUNNEL, TunnelSite, ip, tun, tunnel_site

FALLBACK = "tun6-fallback"
OTHER_SERVER = IPv4Address("198.51.100.200")
OTHER_OWN, OTHER_FAR_END = IPv6Address("2001:db8:bbbb:1::2"), IPv6Address("2001:db8:bbbb:1::1")
OTHER_ROUTED = IPv6Network("2001:db8:bbbb:2::/64")
CLIENT_MAC = "02:00:00:00:00:02"
CLIENT, CLIENT_BY_OTHER = (
    IPv6Network(prefix).network_address + 0x00_00_00FF_FE00_0002 for prefix in (ROUTED, OTHER_ROUTED)
)
"""What the client makes of its hardware address (RFC 4291, appendix A)."""


@dataclass
class TwoTunnels:
    """Both; of the other one, the namespace that is its broker."""

    site: TunnelSite
    other: Namespace

    @contextmanager
    def dead(self, *brokers: Namespace) -> Iterator[None]:
        """These servers are silent while the block runs."""
        for broker in brokers:
            broker.program("ip", "link", "set", "to-isp", "down")
        try:
            yield
        finally:
            for broker in brokers:
                self.revive(broker)

    def revive(self, broker: Namespace) -> None:
        """Its server answers, from now on."""
        broker.program("ip", "link", "set", "to-isp", "up")
        router = "203.0.113.9" if broker is self.other else "203.0.113.5"
        broker.program("ip", "route", "replace", "default", "via", router)


@contextmanager
def two_tunnels() -> Iterator[TwoTunnels]:
    """The site; both tunnels work, and no route on the Pi leads into them yet."""
    with tunnel_site() as site, Namespace() as other:
        made = TwoTunnels(site, other)
        _lay(site, other)
        _begin(site, other)
        yield made


def _lay(site: TunnelSite, other: Namespace) -> None:
    settings = ("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
    other.program("sysctl", "-q", *settings, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    site.isp.connect("to-other", other, "to-isp")
    other.connect("to-internet", site.internet, "eth1")
    ip(site.isp, "addr add 203.0.113.9/30 dev to-other", f"route add {OTHER_SERVER} via 203.0.113.10")
    ip(site.pi, f"-6 route del default dev {TUNNEL}", *tun(f"{OTHER_OWN}/64", FALLBACK))
    ip(other, "addr add 203.0.113.10/30 dev to-isp", f"addr add {OTHER_SERVER}/32 dev lo")
    ip(other, "route add default via 203.0.113.9", *tun(f"{OTHER_FAR_END}/64", FALLBACK))
    ip(other, f"-6 route add {OTHER_ROUTED} dev {FALLBACK}", "addr add 2001:db8:fffe::1/64 dev to-internet")
    ip(other, *(f"-6 route add {host} via 2001:db8:fffe::80" for host in (*BEYOND, "2001:db8:ffff::80")))
    ip(site.internet, "addr add 2001:db8:fffe::80/64 dev eth1", "-6 route add 2001:db8:bbbb::/48 via 2001:db8:fffe::1")
    ip(site.client, f"link set eth0 address {CLIENT_MAC}")


def _begin(site: TunnelSite, other: Namespace) -> None:
    ends = ["--server", "0.0.0.0", "--endpoint", str(OTHER_SERVER)]
    site.begin_end("other pi", site.pi, ends, ["::/0"], FALLBACK)
    prefixes = [f"{OTHER_FAR_END - 1}/64", str(OTHER_ROUTED)]
    ends = ["--server", str(OTHER_SERVER), "--endpoint", str(PUBLIC)]
    site.begin_end("other", other, ends, prefixes, FALLBACK)
