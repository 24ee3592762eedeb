"""A host on the LAN, with nothing but what any Debian machine has: its kernel, dhclient, dig, curl, ping."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from appliance.errors import PermanentError
from image.lab.cables import NIC, ip
from image.lab.waiting import until
from image.lab.world import World


@dataclass(frozen=True)
class Lease:
    """What a DHCP server gave. `lease_s` is in seconds."""

    address: IPv4Interface
    routers: tuple[IPv4Address, ...]
    dns: tuple[IPv4Address, ...]
    domain: str
    lease_s: int


@dataclass(frozen=True)
class Client:
    """The host in the namespace `name`."""

    world: World
    name: str

    def replug(self) -> None:
        """Pull the cable and put it back: the kernel forgets what it learnt and asks for routers again."""
        ip(self.world, self.name, "link", "set", NIC, "down")
        ip(self.world, self.name, "link", "set", NIC, "up")

    def ipv6_addresses(self, scope: str) -> list[IPv6Interface]:
        """The IPv6 addresses of a scope (`global`, `link`) that are ready for use."""
        words = ip(self.world, self.name, "-6", "-o", "address", "show", "dev", NIC, "scope", scope, "-tentative")
        return [IPv6Interface(found) for found in re.findall(r"inet6 (\S+)", words)]

    def slaac_address(self, *, timeout_s: float = 30) -> IPv6Address:
        """The address that the kernel made from a router advertisement; TimeoutError if it makes none."""
        found = until(lambda: self.ipv6_addresses("global"), f"{self.name} has a SLAAC address", timeout_s=timeout_s)
        return found[0].ip

    def router_advertisement(self) -> str:
        """What rdisc6 shows of the advertisement that answers its solicitation; PermanentError if none does."""
        until(lambda: self.ipv6_addresses("link"), f"{self.name} has a link-local address", timeout_s=5)
        return self.run("rdisc6", "-1", "-r", "4", "-w", "2000", NIC)

    def advertised_dns(self) -> str:
        """The first DNS server of the router advertisement (RFC 8106), usable by dig; PermanentError if it has none."""
        found = re.search(r"Recursive DNS server\s*:\s*(\S+)", self.router_advertisement())
        if not found:
            raise PermanentError("the router advertisement names no DNS server")
        return f"{found[1]}%{NIC}" if IPv6Address(found[1]).is_link_local else found[1]

    def dhcp_lease(self, *, timeout_s: float = 30) -> Lease:
        """Ask for a lease and configure its address, nothing else; PermanentError if nobody gives one.

        The script that dhclient usually runs would write to this machine's resolv.conf.
        """
        leases = f"/run/dhclient-{self.name}.leases"  # of the world's own /run
        self.run("truncate", "--size=0", leases)
        options = ["-4", "-1", "-v", "-sf", "/bin/true", "-lf", leases, "-pf", "/run/dhclient.pid"]
        self.world.run(self.name, ["dhclient", *options, NIC], timeout_s=timeout_s)
        self.run("dhclient", "-x", "-pf", "/run/dhclient.pid", NIC)
        lease = parse_lease(self.run("cat", leases))
        ip(self.world, self.name, "address", "replace", str(lease.address), "dev", NIC)
        return lease

    def resolve(self, name: str, kind: str, *, server: str) -> list[str]:
        """The answers of one DNS server; empty if it has none or does not answer."""
        try:
            return self.run("dig", "+short", "+time=2", "+tries=2", f"@{server}", kind, name).split()
        except PermanentError:
            return []

    def fetch(self, host: IPv6Address | str, *, port: int = 80, timeout_s: int = 10) -> str:
        """What a web server answers; PermanentError if nothing."""
        return self.run("curl", "--silent", "--show-error", "--max-time", str(timeout_s), f"http://[{host}]:{port}/")

    def ping(self, address: IPv6Address, *, size_bytes: int) -> None:
        """Three IPv6 packets of that size there and back, unfragmented; PermanentError if none comes back."""
        payload = size_bytes - 40 - 8  # less the IPv6 and the ICMPv6 header
        self.run("ping", "-6", "-c", "3", "-i", "0.3", "-W", "3", "-M", "do", "-s", str(payload), str(address))

    def knock(self, address: IPv4Address | IPv6Address, port: int, *, timeout_s: float = 3) -> str:
        """Try to open a TCP connection: connected, refused, timed-out or unreachable."""
        return self._attempt(str(address), str(port), "--timeout", str(timeout_s))

    def ask(self, address: IPv4Address | IPv6Address, port: int, name: str, *, timeout_s: float = 3) -> str:
        """Ask for a name's address over UDP: answered, refused (nobody listens), timed-out or unreachable."""
        return self._attempt(str(address), str(port), "--timeout", str(timeout_s), "--ask", name)

    def _attempt(self, *words: str) -> str:
        return self.world.run(self.name, [sys.executable, "-m", "image.lab.knock", *words]).strip()

    @contextmanager
    def listening(self, *ports: int) -> Iterator[None]:
        """Take TCP connections on these ports, over IPv4 and IPv6, while the block runs."""
        with ExitStack() as stack:
            for port in ports:
                argv = [
                    sys.executable,
                    "-m",
                    "http.server",
                    "--bind",
                    "::",
                    "--directory",
                    str(self.world.logs),
                    str(port),
                ]
                stack.enter_context(self.world.running(self.name, argv, log=f"listen-{self.name}-{port}"))
            until(lambda: all(f":{port} " in self.run("ss", "-Hltn") for port in ports), "listening", timeout_s=10)
            yield

    def run(self, *argv: str) -> str:
        """Run a program on this host."""
        return self.world.run(self.name, argv)


def parse_lease(text: str) -> Lease:
    """The last lease of a file in the format of dhclient.leases(5); PermanentError if there is none."""
    _, found, last = text.rpartition("lease {")
    if not found:
        raise PermanentError("dhclient got no lease")
    options = dict(re.findall(r"^\s*(?:option )?([\w-]+) (.+);$", last, re.MULTILINE))
    return Lease(
        address=IPv4Interface(f"{options['fixed-address']}/{options['subnet-mask']}"),
        routers=tuple(IPv4Address(word) for word in options.get("routers", "").split(",") if word),
        dns=tuple(IPv4Address(word) for word in options.get("domain-name-servers", "").split(",") if word),
        domain=options.get("domain-name", "").strip('"'),
        lease_s=int(options["dhcp-lease-time"]),
    )
