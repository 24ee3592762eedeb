"""A program for `test_world`: become an ordinary user, lay the lab's networks, and ask one of its resolvers.

Runs in a mount namespace of its own, where /dev/net/tun has the mode that is asked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network
from pathlib import Path

from appliance.errors import InputError
from image.lab import site as places
from image.lab import topology
from image.lab.client import Client
from image.lab.services import resolvers
from image.lab.site import Site
from image.lab.waiting import until
from image.lab.world import world

SITE = Site(
    pi_uplink=IPv4Interface("192.168.1.252/24"),
    router=IPv4Address("192.168.1.254"),
    resolvers=(IPv4Address("1.1.1.1"),),
    tunnel_server=IPv4Address("198.51.100.100"),
    tunnel_client=IPv6Interface("2001:db8:123c:abd::2/64"),
    routed=IPv6Network("2001:db8:123d:abc::/64"),
    pi_lan=IPv4Interface("192.168.1.252/24"),
    two_armed=False,
)


def replace_tun(mode: str) -> None:
    """Another node for the TUN device, in this mount namespace only."""
    for argv in (
        ["mount", "-t", "tmpfs", "none", "/mnt"],
        ["mknod", "/mnt/tun", "c", "10", "200"],
        ["chmod", mode, "/mnt/tun"],
        ["mount", "--bind", "/mnt/tun", "/dev/net/tun"],
    ):
        subprocess.run(argv, check=True)


def become(user: int) -> None:
    """That user, in no group but its own."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def main(logs: str, mode: str, user: str) -> None:
    """Print what the resolver answers from the router's place, or the error."""
    replace_tun(mode)
    become(int(user))
    try:
        with world(Path(logs)) as made:
            topology.lay(made, SITE)
            with made.running(topology.INTERNET, resolvers(SITE.resolvers), log="resolvers"):
                router = Client(made, topology.ROUTER)
                question = partial(router.resolve, places.SERVER_NAME, "A", server="1.1.1.1")
                print(until(question, "the resolver answers", timeout_s=10))
    except InputError as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
