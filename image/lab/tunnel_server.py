"""A program: the broker's end of a 6in4 tunnel, without kernel support for it.

A raw socket for protocol 41 on one side, a TUN device that exists already on the other; the
kernel routes beyond that. Each packet refused is a line of JSON on standard output:
`{"reason": "inner-source", "found": "2001:db8:bad::1"}`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import socket
import struct
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

from image.lab.register import Register
from image.lab.sixinfour import MTU, OUTER_TTL, RefusedError, Registration, unwrap

TUNSETIFF = 0x400454CA  # <linux/if_tun.h>
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # <linux/in.h>

SERVING = "serving"
"""What it says once nothing that comes is lost."""


def attached(device: str) -> int:
    """A file descriptor that reads and writes the IPv6 packets of a TUN device."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH14x", device.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


def outer_socket(server: IPv4Address) -> socket.socket:
    """A raw socket that speaks protocol 41 from the tunnel server's address."""
    outer = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPV6)
    outer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, OUTER_TTL)
    outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    outer.bind((str(server), 0))
    return outer


def serve(tun: int, outer: socket.socket, registered: Callable[[], Registration]) -> None:
    """Pass packets between the two until killed; for each, what is `registered` then is asked for."""
    while True:
        readable, _, _ = select.select([tun, outer.fileno()], [], [])
        if outer.fileno() in readable:
            receive(tun, outer, registered())
        if tun in readable:
            send(os.read(tun, MTU), outer, registered())


def receive(tun: int, outer: socket.socket, registration: Registration) -> None:
    """One packet from the client, to the kernel or to the list of those refused."""
    try:
        os.write(tun, unwrap(outer.recv(65535), registration))
    except RefusedError as refused:
        sys.stdout.write(json.dumps({"reason": refused.reason, "found": refused.found}) + "\n")
        sys.stdout.flush()


def send(packet: bytes, outer: socket.socket, registration: Registration) -> None:
    """One packet to the client. What IPv4 cannot deliver is lost, as on the Internet."""
    if registration.endpoint is None:
        return
    try:
        outer.sendto(packet, (str(registration.endpoint), 0))
    except OSError as error:
        sys.stderr.write(f"to {registration.endpoint}: {error}\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="the broker's end of a 6in4 tunnel")
    parser.add_argument("--server", type=IPv4Address, required=True)
    endpoint = parser.add_mutually_exclusive_group(required=True)
    endpoint.add_argument("--endpoint", type=IPv4Address, help="the other end's address, for good")
    endpoint.add_argument("--register", type=Path, help="the file that it is in")
    parser.add_argument("--prefix", type=IPv6Network, action="append", required=True)
    parser.add_argument("--device", required=True)
    arguments = parser.parse_args()
    prefixes, register = tuple(arguments.prefix), Register(arguments.register) if arguments.register else None

    def registered() -> Registration:
        return Registration(register.endpoint() if register is not None else arguments.endpoint, prefixes)

    device, outer = attached(arguments.device), outer_socket(arguments.server)
    sys.stderr.write(f"{SERVING}\n")
    sys.stderr.flush()
    serve(device, outer, registered)


if __name__ == "__main__":
    main()
