"""A whole tunnel in namespaces, with real protocol 41 and no kernel support for it: both ends are the lab's.

```
 client ─ lan0 pi eth0 ─ home (NAT) ─ isp ─ broker (the tunnel server) ─ internet
```
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.well_known import BEYOND
from firstboot.health.question import Question
from image.lab.register import Register
from image.lab.tunnel_server import SERVING
from tests.netns.namespace import Namespace

TUNNEL = "he-ipv6"
PI, ROUTER, PUBLIC = IPv4Address("192.168.1.252"), IPv4Address("192.168.1.254"), IPv4Address("203.0.113.2")
ISP, SERVER = IPv4Address("203.0.113.1"), IPv4Address("198.51.100.100")
SHARED, SHARED_ISP = "100.64.0.2", "100.64.0.1"
OWN, FAR_END = IPv6Address("2001:db8:123c:abd::2"), IPv6Address("2001:db8:123c:abd::1")
ROUTED = "2001:db8:123d:abc::/64"
MTU = 1480

NAT = f"""
table ip nat {{
    chain out {{ type nat hook postrouting priority srcnat; oifname "wan" masquerade; }}
    chain in {{ type nat hook prerouting priority dstnat; iifname "wan" ip protocol 41 dnat to {PI}; }}
}}
"""

QUESTION = Question(
    interface=TUNNEL,
    own=OWN,
    far_end=FAR_END,
    local=PI,
    server=SERVER,
    uplink="eth0",
    router=ROUTER,
    has_route=True,
    has_tunnel=True,
    full=MTU,
)


@dataclass
class TunnelSite:
    """The namespaces, and the two processes that are the tunnel's ends."""

    pi: Namespace
    home: Namespace
    isp: Namespace
    broker: Namespace
    internet: Namespace
    client: Namespace
    register: Register
    """Which address the broker has for the tunnel."""
    ends: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @contextmanager
    def rules(self, namespace: Namespace, family: str, hook: str, rule: str) -> Iterator[None]:
        """A rule of nftables is there while the block runs."""
        chain = f"type filter hook {hook} priority 0;"
        namespace.program("nft", f"add table {family} fault; add chain {family} fault in {{ {chain} }}")
        namespace.program("nft", f"add rule {family} fault in {rule}")
        forget_connections(namespace)
        try:
            yield
        finally:
            namespace.program("nft", f"delete table {family} fault")
            forget_connections(namespace)

    @contextmanager
    def registered(self, endpoint: IPv4Address | None) -> Iterator[None]:
        """The broker has another address for the tunnel while the block runs; None: it has no tunnel, and says so."""
        self.register.enter(endpoint)
        if endpoint is None:
            self._end("broker")
        try:
            yield
        finally:
            self.register.enter(PUBLIC)
            if endpoint is None:
                self._begin_at_the_broker()

    def begin(self) -> None:
        """The tunnel works. The Pi's end of it is at whatever address the Pi has."""
        self.register.enter(PUBLIC)
        self.begin_end("pi", self.pi, ["--server", "0.0.0.0", "--endpoint", str(SERVER)], ["::/0"], TUNNEL)
        self._begin_at_the_broker()

    def end(self) -> None:
        """The tunnel's ends are gone."""
        for name in tuple(self.ends):
            self._end(name)

    def _begin_at_the_broker(self) -> None:
        prefixes = [f"{FAR_END - 1}/64", ROUTED]
        ends = ["--server", str(SERVER), "--register", str(self.register.path)]
        self.begin_end("broker", self.broker, ends, prefixes, TUNNEL)

    def begin_end(self, name: str, namespace: Namespace, ends: list[str], prefixes: list[str], device: str) -> None:
        """One end of a tunnel, by the words that `image.lab.tunnel_server` takes for its two ends."""
        argv = [
            sys.executable, "-m", "image.lab.tunnel_server", *ends, "--device", device,
            *(word for prefix in prefixes for word in ("--prefix", prefix)),
        ]  # fmt: skip
        process = namespace.call(_serving, argv)
        assert process.stderr is not None
        assert process.stderr.readline().strip() == SERVING
        self.ends[name] = process

    def _end(self, name: str) -> None:
        process = self.ends.pop(name, None)
        if process is not None:
            process.kill()
            process.communicate()


def _serving(argv: list[str]) -> subprocess.Popen[str]:
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(argv, stdin=null, stdout=null, stderr=pipe, text=True)


def forget_connections(namespace: Namespace) -> None:
    """Of each namespace by itself; who forwards without NAT has none."""
    namespace.program("sh", "-c", "conntrack -F 2>/dev/null || true")


@contextmanager
def tunnel_site() -> Iterator[TunnelSite]:
    """The site; the tunnel works."""
    with ExitStack() as stack:
        pi, home, isp, broker, internet, client = (stack.enter_context(Namespace()) for _ in range(6))
        folder = stack.enter_context(TemporaryDirectory())
        site = TunnelSite(pi, home, isp, broker, internet, client, Register(Path(folder) / "register"))
        _lay(site)
        stack.callback(site.end)
        site.begin()
        yield site


def _lay(site: TunnelSite) -> None:
    for namespace in (site.pi, site.home, site.isp, site.broker, site.internet, site.client):
        namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
    site.pi.connect("lan0", site.client, "eth0")
    site.pi.connect("eth0", site.home, "eth0")
    site.home.connect("wan", site.isp, "to-home")
    site.isp.connect("to-broker", site.broker, "to-isp")
    site.broker.connect("to-internet", site.internet, "eth0")
    for namespace in (site.home, site.isp, site.broker, site.internet):
        namespace.program("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    ip(site.pi, f"addr add {PI}/24 dev eth0", f"route add default via {ROUTER}", *tun(f"{OWN}/64"))
    ip(site.pi, f"-6 route add default dev {TUNNEL}")
    ip(site.home, f"addr add {ROUTER}/24 dev eth0", f"addr add {PUBLIC}/30 dev wan", f"route add default via {ISP}")
    site.home.program("nft", "-f", "-", stdin=NAT)
    ip(site.isp, f"addr add {ISP}/30 dev to-home", "addr add 203.0.113.5/30 dev to-broker")
    ip(site.isp, f"route add {SERVER} via 203.0.113.6")
    ip(site.broker, "addr add 203.0.113.6/30 dev to-isp", f"addr add {SERVER}/32 dev lo", *tun(f"{FAR_END}/64"))
    ip(site.broker, "route add default via 203.0.113.5", f"-6 route add {ROUTED} dev {TUNNEL}")
    ip(site.broker, "addr add 2001:db8:ffff::1/64 dev to-internet")
    ip(site.broker, *(f"-6 route add {host} via 2001:db8:ffff::80" for host in BEYOND))
    ip(site.internet, "addr add 2001:db8:ffff::80/64 dev eth0", "-6 route add default via 2001:db8:ffff::1")
    ip(site.internet, *(f"addr add {host}/128 dev lo" for host in BEYOND))


def tun(address: str, device: str = TUNNEL) -> tuple[str, ...]:
    """What makes an end of a tunnel, with that address, for `ip`."""
    return (
        f"tuntap add {device} mode tun", f"link set {device} mtu {MTU} up", f"addr add {address} dev {device}",
    )  # fmt: skip


def ip(namespace: Namespace, *commands: str) -> None:
    """Commands of ip(8)."""
    for command in commands:
        namespace.program("ip", *command.split())
