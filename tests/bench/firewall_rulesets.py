"""The rules that are compared: our policy's, and what a person who knows nftables writes for the same services.

What passes through is decided alike by both (`tests/netns/test_compared_rulesets.py`), and told alike of smaller
packets; of the box's own services the second says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from appliance.model import Appliance
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with

FIRST_PORT = 20_000
OUTER_PORT = 30_000
"""Of IPv4: where the first service is asked for, at the box's own address."""


@dataclass(frozen=True)
class Ends:
    """One family's: `inside`, who has the service that is asked for; `outside`, who asks; `asked`, the address that it
    asks for; `wire`, by which it comes; `router`, its way out.
    """

    family: int
    inside: IPv4Address | IPv6Address
    outside: IPv4Address | IPv6Address
    asked: IPv4Address | IPv6Address
    wire: str
    router: str

    def asked_port(self, count: int) -> int:
        """Where the service in the middle of so many is asked for."""
        return (OUTER_PORT if self.family == 4 else FIRST_PORT) + count // 2


IPV4 = Ends(
    4, IPv4Address("192.168.2.20"), IPv4Address("198.51.100.80"), IPv4Address("203.0.113.5"), OUTSIDE, "203.0.113.1/24"
)
IPV6 = Ends(
    6,
    IPv6Address("2001:db8:123d:abc::20"),
    IPv6Address("2001:db8:ffff::80"),
    IPv6Address("2001:db8:123d:abc::20"),
    TUNNEL,
    "2001:db8:123c:abd::1/64",
)

COMMON = """
table {table} hand {{
  chain denied {{
    limit rate 3/minute burst 10 packets log prefix "denied "
    drop
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    meta l4proto {{ icmp, ipv6-icmp }} accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    oifname "{outside}" tcp flags & (syn | rst) == syn tcp option maxseg size set {mss}
    iifname "{outside}" tcp flags & (syn | rst) == syn tcp option maxseg size set {mss}
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
{special}
    iifname "{outside}" {table} saddr {network} jump denied
    iifname "{outside}" tcp flags & (fin | syn | rst | ack) != syn drop
    iifname "{inside}" oifname "{outside}" {table} saddr {network} accept
    iifname "{outside}" oifname "{inside}" {table} daddr . tcp dport @services accept
    jump denied
  }}
  set services {{ type {address} . inet_service; elements = {{ {services} }} }}
{translation}
}}
"""
TRANSLATION = """
  map machines {{ type inet_service : ipv4_addr . inet_service; elements = {{ {machines} }} }}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "{outside}" fib daddr type local dnat ip to tcp dport map @machines
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "{outside}" ip saddr {network} masquerade
  }}
"""
SPECIAL = {
    4: "",
    6: """
    rt type 0 drop
    iifname "{outside}" oifname "{inside}" ip6 saddr != {network} icmpv6 type echo-request accept
""",
}
MSS = {4: "rt mtu", 6: "1420"}
"""Of IPv6 what goes into the tunnel."""
NETWORKS = {4: "192.168.2.0/24", 6: "2001:db8:123d:abc::/64"}


def appliance(ends: Ends, count: int, note: str = "") -> Appliance:
    """So many services in `allow_in`; `note`: of a rule that makes the policy another one."""
    listed = "".join(f"    - {_listed(ends, *service)}\n" for service in _services(ends, count))
    own = f"  rules: [{{from: outside, to: inside, port: tcp/1, action: deny, note: '{note}'}}]\n" if note else ""
    return appliance_with(f"firewall:\n  allow_in:\n{listed}{own}")


def load_policy(site: Crossing, ends: Ends, count: int) -> None:
    """As the daemon loads it, both families."""
    site.load(appliance(ends, count))


def load_by_hand(site: Crossing, ends: Ends, count: int) -> None:
    """One family's."""
    names = {"outside": ends.wire, "inside": LAN, "network": NETWORKS[ends.family]}
    services = list(_services(ends, count))
    machines = ", ".join(f"{asked} : {host} . {port}" for host, port, asked in services)
    text = COMMON.format(
        table="ip" if ends.family == 4 else "ip6",
        address=f"ipv{ends.family}_addr",
        special=SPECIAL[ends.family].format(**names),
        mss=MSS[ends.family],
        services=", ".join(f"{host} . {port}" for host, port, _ in services),
        translation=TRANSLATION.format(machines=machines, **names) if ends.family == 4 else "",
        **names,
    )
    site.router.program("nft", "-f", "-", stdin=text)


def _services(ends: Ends, count: int) -> Iterator[tuple[IPv4Address | IPv6Address, int, int]]:
    """Machine, its port, and the port that is asked for. The one that is asked for stands in the middle."""
    for number in range(count):
        other = int(ends.inside) + (1 + number % 200 if ends.family == 4 else 1000 + 7 * number)
        host = ends.inside if number == count // 2 else type(ends.inside)(other)
        yield host, FIRST_PORT + number, (OUTER_PORT if ends.family == 4 else FIRST_PORT) + number


def _listed(ends: Ends, host: object, port: int, asked: int) -> str:
    return f"{{to: '{host}', tcp: {asked}, nat_port: {port}}}" if ends.family == 4 else f"{{to: '{host}', tcp: {port}}}"
