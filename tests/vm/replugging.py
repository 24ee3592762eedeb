"""Runs in the guest: pulls the cable and puts it back, again and again, and says how long the Pi was away each time.

As JSON, a list of [seconds until the laptop's adapter has carrier, until the Pi answers a question for its address
(ARP), until it answers a ping]; None for what took longer than `PATIENCE_S`. Between the last two the laptop finds
out whether its own new address is nobody else's, which takes any host a second or two (RFC 4862, 5.4).

Only the standard library. Its arguments: how often; the device's sysfs folder; the name of the laptop's adapter; the
Pi's IPv4 address. `ip netns exec` has put it into the laptop's network. It asks and pings by itself: a program would
take a second to start.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 30.0
EVERY_S = 0.02
ETH_P_ARP = 0x0806
BROADCAST = b"\xff" * 6
ARP_REQUEST, ARP_REPLY = 1, 2
ECHO_REQUEST, ECHO_REPLY = 128, 129
PI = "fe80::1"


def seconds(condition: Callable[[], bool], since: float) -> float | None:
    """How long after `since` it became true."""
    while time.monotonic() < since + PATIENCE_S:
        if condition():
            return time.monotonic() - since
        time.sleep(EVERY_S)
    return None


def has_carrier(adapter: str) -> bool:
    try:
        return Path(f"/sys/class/net/{adapter}/carrier").read_text() == "1\n"
    except OSError:  # not there, or not up
        return False


def answers(adapter: str, pi: bytes) -> bool:
    """It is asked as one asks who has no address yet (RFC 5227, an ARP probe)."""
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ARP)) as line:
            line.settimeout(0.1)
            line.bind((adapter, ETH_P_ARP))
            own = line.getsockname()[4]
            question = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, ARP_REQUEST, own, b"", b"", pi)
            line.sendto(question, (adapter, ETH_P_ARP, 0, 0, BROADCAST))
            while True:
                *_, kind, _, said, _, _ = struct.unpack("!HHBBH6s4s6s4s", line.recv(64)[:28])
                if (kind, said) == (ARP_REPLY, pi):
                    return True
    except OSError:  # no adapter, or no answer
        return False


def answers_ping(adapter: str) -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as pinger:
        pinger.settimeout(0.2)
        try:
            pinger.sendto(bytes([ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1]), (PI, 0, 0, socket.if_nametoindex(adapter)))
            while True:
                message, (host, *_) = pinger.recvfrom(256)
                if message[0] == ECHO_REPLY and host.split("%")[0] == PI:
                    return True
        except OSError:  # no adapter, no address of its own yet, or no answer
            return False


def replugged(allowed: Path, adapter: str, pi: bytes) -> list[float | None]:
    allowed.write_text("0")
    if seconds(lambda: not Path(f"/sys/class/net/{adapter}").exists(), time.monotonic()) is None:
        raise SystemExit(f"{adapter} stays although the cable is pulled")
    allowed.write_text("1")
    began = time.monotonic()
    awaited = (lambda: has_carrier(adapter), lambda: answers(adapter, pi), lambda: answers_ping(adapter))
    return [seconds(condition, began) for condition in awaited]


if __name__ == "__main__":
    count, device, adapter, pi = sys.argv[1:]
    allowed, address = Path(device) / "authorized", socket.inet_aton(pi)
    print(json.dumps([replugged(allowed, adapter, address) for _ in range(int(count))]))
