"""Runs in the guest: pulls the cable and puts it back, again and again, and says how long the Pi was away each time.

As JSON, a list of [seconds until the laptop's adapter has carrier, seconds until the Pi answers its ping]; None for
what took longer than `PATIENCE_S`. Only the standard library. Its arguments: how often; the device's sysfs folder; the
name of the laptop's adapter. `ip netns exec` has put it into the laptop's network.

The ping (ICMPv6 echo to fe80::1) is made here: a program would take a second to start.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 30.0
EVERY_S = 0.02
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


def answers(adapter: str) -> bool:
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


def replugged(allowed: Path, adapter: str) -> tuple[float | None, float | None]:
    allowed.write_text("0")
    if seconds(lambda: not Path(f"/sys/class/net/{adapter}").exists(), time.monotonic()) is None:
        raise SystemExit(f"{adapter} stays although the cable is pulled")
    allowed.write_text("1")
    began = time.monotonic()
    return seconds(lambda: has_carrier(adapter), began), seconds(lambda: answers(adapter), began)


if __name__ == "__main__":
    count, device, adapter = sys.argv[1:]
    print(json.dumps([replugged(Path(device) / "authorized", adapter) for _ in range(int(count))]))
