"""A program: watch an interface and print each TCP SYN over IPv6 as a line of JSON, with the segment size it asks for.

tcpdump would do, but as root it insists on becoming a user that an unprivileged namespace does not have.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from ipaddress import IPv6Address

ETH_P_IPV6 = 0x86DD
TCP, SYN = 6, 0x02
END, PADDING, MAXIMUM_SEGMENT_SIZE = 0, 1, 2  # TCP options, RFC 9293 section 3.2


def syn(packet: bytes) -> dict[str, object] | None:
    """What an IPv6 packet's SYN says; None for any other packet. `mss` is None if it names none."""
    if len(packet) < 60 or packet[6] != TCP or not packet[53] & SYN:
        return None
    header_end = 40 + (packet[52] >> 4) * 4
    return {
        "from": str(IPv6Address(packet[8:24])),
        "to": str(IPv6Address(packet[24:40])),
        "port": int.from_bytes(packet[42:44], "big"),
        "mss": segment_size(packet[60:header_end]),
    }


def segment_size(options: bytes) -> int | None:
    """The maximum segment size among TCP options, in bytes."""
    while options and options[0] != END:
        length = 1 if options[0] == PADDING else options[1]
        if options[0] == MAXIMUM_SEGMENT_SIZE:
            return int.from_bytes(options[2:4], "big")
        options = options[length:]
    return None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("interface")
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6))
    packets.bind((parser.parse_args().interface, ETH_P_IPV6))
    sys.stdout.write("watching\n")
    while True:
        sys.stdout.flush()
        found = syn(packets.recv(65535))
        if found:
            sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
