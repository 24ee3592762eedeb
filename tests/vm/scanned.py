"""What nmap finds of a booted gateway from the Internet: by the tunnel, and where its home router shields nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address

from image.lab import site as places
from image.lab.gateway import Lab
from image.lab.topology import INTERNET, ISP, ROUTER, forward_tunnel
from image.lab.world import World
from tests.lab.scan import SILENT, scan

PORTS = {"tcp": "1-1024,1900,2222,3000,5000,5353,8000-8100,8443,9090", "udp": "53,67,69,123,161,500,514,547,1900,5353"}
SLOW = ("--min-rate", "200", "--max-rtt-timeout", "1s")
"""The machine is emulated: it looks at a few hundred packets a second, whatever it does with them."""


def finds_only(lab: Lab, address: IPv4Address | IPv6Address, *ports: int) -> None:
    """These TCP ports are open, and nothing comes back from any other, nor from any of UDP."""

    def ask(*argv: str) -> str:
        return lab.world.run(INTERNET, argv, timeout_s=300)

    assert scan(ask, str(address), PORTS["tcp"], *SLOW) == (dict.fromkeys(ports, "open"), SILENT["tcp"])
    assert scan(ask, str(address), PORTS["udp"], *SLOW, protocol="udp") == ({}, SILENT["udp"])


@contextmanager
def exposed(world: World, host: IPv4Address) -> Iterator[IPv4Address]:
    """The home router leads all that comes from the Internet to a host of its network; its own address out there."""
    rule = f'iifname "to-{ISP}" dnat to {host}'
    world.run(ROUTER, ["nft", "-f", "-"], stdin=f"add rule ip nat in {rule}\n")
    try:
        yield places.WAN_ROUTER.ip
    finally:
        forward_tunnel(world, host)
