"""The firewall: what its rules cost packets that pass, and what a change of them costs."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

from appliance.model import Appliance
from firstboot.policy.decision import Packet
from tests.bench.shown import figure, heading, judged, table
from tests.lab import wire
from tests.netns import packets
from tests.netns.crossing import LAN, TUNNEL, Crossing, appliance_with, crossing
from tests.netns.namespace import Namespace

SERVICES = (10, 100, 1000)
ROUNDS = 5
CONNECTIONS = 20_000
SECONDS = 3
SHARE = 0.8
APPLY_S = 2.0
INSIDE, OUTSIDE = IPv6Address("2001:db8:123d:abc::20"), IPv6Address("2001:db8:ffff::80")
FIRST_PORT = 20_000
EVERY_S = 0.001

HAND_WRITTEN = """
table inet filter {{
  set services {{ type ipv6_addr . inet_service; elements = {{ {services} }} }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    meta l4proto ipv6-icmp accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    meta l4proto ipv6-icmp icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, \\
      echo-request, echo-reply }} accept
    iifname "{outside}" ip6 saddr 2001:db8:123d:abc::/64 drop
    iifname "{inside}" oifname "{outside}" ip6 saddr 2001:db8:123d:abc::/64 accept
    iifname "{outside}" oifname "{inside}" ip6 daddr . tcp dport @services accept
  }}
}}
"""
"""The same verdicts about what is sent here, as a person who knows nftables writes them."""


def measure(folder: Path) -> None:
    """All of it."""
    heading(f"firewall: IPv6 through a router in namespaces; the middle of {ROUNDS} rounds")
    rows = [_row("no rules", folder, lambda site: None, 1)]
    for count in SERVICES:
        rows.append(_row(f"hand-written, {count} services", folder, _loads_by_hand(count), count))
        rows.append(_row(f"policy, {count} services", folder, _loads_policy(count), count))
    table(["", "Gbit/s", "new connections/s"], [(name, f"{gbit:.2f}", f"{new:.0f}") for name, gbit, new in rows])
    figures = {name: found for name, *found in rows}
    ours, by_hand = (figures[f"{who}, {SERVICES[-1]} services"] for who in ("policy", "hand-written"))
    for what, number in (("throughput", 0), ("new connections", 1)):
        share = ours[number] / by_hand[number]
        judged(f"{what}, of what the hand-written has", f"{share:.2f}", f"≥ {SHARE:g}", reached=share >= SHARE)
    _apply(folder)


def _services(count: int) -> Iterator[tuple[IPv6Address, int]]:
    """The one that is asked for stands in the middle."""
    for number in range(count):
        host = INSIDE if number == count // 2 else IPv6Address(int(INSIDE) + 1000 + 7 * number)
        yield host, FIRST_PORT + number


def _appliance(count: int, note: str = "") -> Appliance:
    listed = "".join(f"    - {{to: '{host}', tcp: {port}}}\n" for host, port in _services(count))
    own = f"  rules: [{{from: outside, to: inside, port: tcp/1, action: deny, note: '{note}'}}]\n" if note else ""
    return appliance_with(f"firewall:\n  allow_in:\n{listed}{own}")


def _loads_policy(count: int) -> Callable[[Crossing], object]:
    return lambda site: site.load(_appliance(count))


def _loads_by_hand(count: int) -> Callable[[Crossing], object]:
    services = ", ".join(f"{host} . {port}" for host, port in _services(count))
    text = HAND_WRITTEN.format(services=services, outside=TUNNEL, inside=LAN)
    return lambda site: site.router.program("nft", "-f", "-", stdin=text)


def _row(name: str, folder: Path, load: Callable[[Crossing], object], count: int) -> tuple[str, float, float]:
    with crossing(folder) as site:
        site.router.program("nft", "delete", "table", "inet", "probe")
        _give_addresses(site)
        load(site)
        gbit = sorted(_gbit(site) for _ in range(ROUNDS))[ROUNDS // 2]
        new = sorted(_connections(site, FIRST_PORT + count // 2) for _ in range(ROUNDS))[ROUNDS // 2]
    return name, gbit, new


def _give_addresses(site: Crossing) -> None:
    site.inside.program("ip", "addr", "add", f"{INSIDE}/64", "dev", LAN, "nodad")
    site.inside.program("ip", "-6", "route", "add", "default", "via", "2001:db8:123d:abc::1")
    site.outside.program("ip", "addr", "add", "2001:db8:123c:abd::1/64", "dev", TUNNEL, "nodad")
    site.outside.program("ip", "addr", "add", f"{OUTSIDE}/128", "dev", "lo", "nodad")
    site.outside.program("ip", "-6", "route", "add", "2001:db8:123d:abc::/64", "via", "2001:db8:123c:abd::2")


def _gbit(site: Crossing) -> float:
    """One TCP connection from inside to outside."""
    server = site.outside.call(Namespace.begin, "iperf3", "--server", "--one-off", "--bind", str(OUTSIDE))
    time.sleep(0.3)
    told = json.loads(site.inside.program("iperf3", "--client", str(OUTSIDE), "--time", str(SECONDS), "--json"))
    server.communicate()
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e9


def _connections(site: Crossing, port: int) -> float:
    """First packets of connections to a service inside, a second."""
    site.router.program("conntrack", "-F")
    target = site.router.call(packets.mac_of, TUNNEL)
    opening = Packet(OUTSIDE, INSIDE, "tcp", TUNNEL, LAN, port)
    frames = list(_frames(opening, target))
    before, began = _sent(site), time.monotonic()
    site.outside.call(wire.send, TUNNEL, frames)
    while _sent(site) - before < CONNECTIONS:
        assert time.monotonic() < began + 60, "not all came through"
    return CONNECTIONS / (time.monotonic() - began)


def _frames(opening: Packet, target: bytes) -> Iterator[bytes]:
    """Of many hosts, each with many ports."""
    for number in range(CONNECTIONS):
        source = IPv6Address(int(OUTSIDE) + 1 + number % 16)
        yield packets.frame(replace(opening, source=source), 1024 + number // 16, target)


def _sent(site: Crossing) -> int:
    return site.router.call(_packets_of, LAN)


def _packets_of(interface: str) -> int:
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[10]) for line in lines if line.split(":")[0].strip() == interface)


def _apply(folder: Path) -> None:
    """A changed policy, while packets of an established connection pass every millisecond."""
    heading(f"firewall: a changed policy of {SERVICES[-1]} services is put in force")
    with crossing(folder) as site:
        _give_addresses(site)
        site.load(_appliance(SERVICES[-1]))
        took, sent, got = _while_flowing(site, lambda: site.load(_appliance(SERVICES[-1], "another")))
        judged("both families", f"{took:.2f} s", f"≤ {APPLY_S:g} s", reached=took <= APPLY_S)
        judged("of an established connection", f"{sent - got} of {sent} lost", "none lost", reached=sent == got)
        took, sent, got = _while_flowing(site, lambda: site.load(_appliance(SERVICES[-1], "another")))
        figure("the same once more", f"{took:.2f} s, {sent - got} of {sent} lost")


def _while_flowing(site: Crossing, change: Callable[[], None]) -> tuple[float, int, int]:
    """How long the change took, and how many datagrams were sent and came."""
    far = site.outside.call(_socket, (str(OUTSIDE), 9))
    near = site.inside.call(_socket, (str(INSIDE), 9))
    with closing(far), closing(near):
        near.sendto(b"", (str(OUTSIDE), 9))
        _, peer = far.recvfrom(64)
        far.sendto(b"", peer)
        near.recvfrom(64)  # known, both ways
        stop, counts = threading.Event(), [0, 0]
        flow = threading.Thread(target=_flow, args=(near, far, stop, counts))
        flow.start()
        time.sleep(0.5)
        began = time.monotonic()
        change()
        took = time.monotonic() - began
        time.sleep(0.5)
        stop.set()
        flow.join()
    return took, counts[0], counts[1]


def _flow(near: socket.socket, far: socket.socket, stop: threading.Event, counts: list[int]) -> None:
    while not stop.is_set():
        near.sendto(b"x", (str(OUTSIDE), 9))
        counts[0] += 1
        try:
            far.recv(64)
            counts[1] += 1
        except TimeoutError:
            pass
        time.sleep(EVERY_S)


def _socket(address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.settimeout(1.0)
    made.bind(address)
    return made
