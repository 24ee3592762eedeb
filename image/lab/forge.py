"""A program: send one 6in4 packet with an ICMPv6 echo request inside, from and to whatever addresses are asked for."""

from __future__ import annotations

import argparse
import socket
from ipaddress import IPv4Address, IPv6Address

ICMPV6, ECHO_REQUEST = 58, 128


def echo_request(source: IPv6Address, target: IPv6Address, *, size_bytes: int = 64) -> bytes:
    """An IPv6 packet of that size with a valid checksum (RFC 4443)."""
    length = size_bytes - 40
    header = b"\x60\0\0\0" + length.to_bytes(2, "big") + bytes([ICMPV6, 64]) + source.packed + target.packed
    pseudo = source.packed + target.packed + length.to_bytes(4, "big") + bytes([0, 0, 0, ICMPV6])
    message = bytes([ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1]) + bytes(length - 8)
    return header + message[:2] + checksum(pseudo + message) + message[4:]


def checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outer-source", type=IPv4Address, required=True)
    parser.add_argument("--outer-target", type=IPv4Address, required=True)
    parser.add_argument("--source", type=IPv6Address, required=True)
    parser.add_argument("--target", type=IPv6Address, required=True)
    arguments = parser.parse_args()
    outer = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPV6)
    outer.bind((str(arguments.outer_source), 0))
    outer.sendto(echo_request(arguments.source, arguments.target), (str(arguments.outer_target), 0))


if __name__ == "__main__":
    main()
