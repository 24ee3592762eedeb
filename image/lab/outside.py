"""The other side of the tunnel: what a machine on the Internet sees of the appliance, and can try against it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from image.lab import site as places
from image.lab.client import Client
from image.lab.provider import TUNNEL_LOG
from image.lab.topology import INTERNET
from image.lab.waiting import until
from image.lab.world import World


@dataclass(frozen=True)
class Outside:
    """The Internet of a world."""

    world: World

    def knock(self, address: IPv4Address | IPv6Address, port: int, *, timeout_s: float = 3) -> str:
        """What becomes of a TCP connection from the server: see `Client.knock`."""
        return Client(self.world, INTERNET).knock(address, port, timeout_s=timeout_s)

    def forge(
        self,
        *,
        source: IPv6Address,
        target: IPv6Address,
        outer_source: IPv4Address = places.STRANGER,
        outer_target: IPv4Address = places.WAN_ROUTER.ip,
        namespace: str = INTERNET,
    ) -> None:
        """Send one echo request as 6in4 from an address that is not the tunnel server's."""
        outer = ["--outer-source", str(outer_source), "--outer-target", str(outer_target)]
        inner = ["--source", str(source), "--target", str(target)]
        self.world.run(namespace, [sys.executable, "-m", "image.lab.forge", *outer, *inner])

    def refused(self) -> Counter[str]:
        """How many packets the tunnel server refused so far, by reason."""
        lines = self.world.log(TUNNEL_LOG).read_text().splitlines()
        return Counter(json.loads(line)["reason"] for line in lines if line.startswith("{"))


@contextmanager
def watching_syns(world: World, namespace: str, interface: str, *, to: IPv6Address) -> Iterator[Callable[[], set[int]]]:
    """Watch for TCP SYNs to an address while the block runs.

    The function given returns the segment sizes (bytes) that they asked for; TimeoutError if none came in 10 s.
    """
    name = f"syns-{namespace}-{len(list(world.logs.glob('syns-*')))}"
    log = world.log(name)

    def asked() -> set[int]:
        found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return {entry["mss"] for entry in found if entry["to"] == str(to)}

    with world.running(namespace, [sys.executable, "-m", "image.lab.syns", interface], log=name):
        until(lambda: "watching" in log.read_text(), "watching for SYNs", timeout_s=10)
        yield lambda: until(asked, f"a SYN to {to}", timeout_s=10)
