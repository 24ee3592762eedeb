"""Runs in the guest: takes something away again and again, and says how long until it was put right.

Its argument is a JSON object: `take`, what is taken, in the words of `described` or of `VERBS`; `rounds`; `patience_s`,
after which nobody is waited for any longer; `spacing_s` between two rounds. What is waited for is `wanted`: everything
that must be there, in the words of `described`; or `kind`: the pass of the daemon that put this kind right, as its
status.json tells. It prints a JSON object: `seconds`, from just before the deletion to the look that found it right;
`missing`, what was still away when patience ended, which ends the rounds; `before`, what was not there to begin with.

It sleeps until the kernel tells of a change, and then reads the kernel's tables once. Settings, of which the kernel
does not always tell, and status.json are looked at every 10 ms. Only the standard library: nothing that one of the
contenders uses.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Protocol

STATUS = Path("/run/appliance/status.json")
CONTROLLER = Path("/sys/kernel/config/usb_gadget/appliance/UDC")
GLANCE_S = 0.01
BEFORE_S = 30.0
"""So long may it take until everything is there to begin with."""

# linux/rtnetlink.h, linux/netlink.h
LINK, ADDRESS, ROUTE, RULE = 16, 20, 24, 32
"""RTM_NEW…; the same and 1 is RTM_DEL…, and 2 RTM_GET…."""
HEADER = struct.Struct("=IHHII")
OWN_HEADER = {LINK: 16, ADDRESS: 8, ROUTE: 12, RULE: 12}
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
GROUPS = (1, 5, 7, 8, 9, 11, 19, 24, 25)
"""RTNLGRP_: links, and for both families addresses, routes, rules and settings."""
IFF_UP = 1
IFLA_MASTER = 10
UNICAST, CLONED = 1, 0x200
Attributes = dict[int, bytes]


class Tables:
    """The kernel's tables, and a way to take something out of them."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))

    def ask(self, kind: int, flags: int, payload: bytes) -> Iterator[bytes]:
        """What the kernel answers to a request. OSError if it refuses."""
        self._socket.send(HEADER.pack(HEADER.size + len(payload), kind, REQUEST | flags, 1, 0) + payload)
        while True:
            data = self._socket.recv(1 << 18)
            while data:
                length, answer, *_ = HEADER.unpack_from(data)
                content, data = data[HEADER.size : length], data[(length + 3) & ~3 :]
                if answer == ERROR and (code := struct.unpack_from("=i", content)[0]):
                    raise OSError(-code, f"the kernel refuses request {kind}")
                if answer in (ERROR, DONE):
                    return
                yield content

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Everything that is there, in words; to each the kind and the message that told of it."""
        found: dict[str, tuple[int, bytes]] = {}
        names: dict[int, str] = {}
        for kind, size in OWN_HEADER.items():
            for message in self.ask(kind + 2, DUMP, bytes(size)):
                for words in described(kind, message, attributes(message[size:]), names):
                    found[words] = (kind, message)
        return found

    def take(self, kind: int, message: bytes) -> None:
        """Delete what a message told of."""
        whole = message[: OWN_HEADER[LINK]] if kind == LINK else message
        list(self.ask(kind + 1, ACK, whole))

    def set_up(self, interface: str, *, up: bool) -> None:
        """Set a link up or down."""
        index = socket.if_nametoindex(interface)
        list(self.ask(LINK, ACK, struct.pack("=BxHiII", 0, 0, index, IFF_UP if up else 0, IFF_UP)))

    def release(self, interface: str) -> None:
        """Take a bridge's port out of it."""
        message = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(interface), 0, 0)
        list(self.ask(LINK, ACK, message + struct.pack("=HHI", 8, IFLA_MASTER, 0)))


def attributes(data: bytes) -> Attributes:
    found: Attributes = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def described(kind: int, message: bytes, found: Attributes, names: dict[int, str]) -> Iterator[str]:
    """What a message tells, in words; whose number and protocol it has does not matter."""
    if kind == LINK:
        (index, flags) = struct.unpack_from("=iI", message, 4)
        names[index] = found[3].rstrip(b"\0").decode()
        yield f"link {names[index]} {'up' if flags & IFF_UP else 'down'}"
        info = attributes(found.get(18, b""))
        if info.get(1, b"").rstrip(b"\0") == b"sit":
            ends = attributes(info[2])
            yield f"tunnel {names[index]} from {IPv4Address(ends[2])} to {IPv4Address(ends[3])}"
    elif kind == ADDRESS:
        _, length, _, _, index = struct.unpack_from("=BBBBI", message)
        yield f"address {ip_address(found.get(2, found[1]))}/{length} dev {names[index]}"
    elif kind == ROUTE:
        family, length, *_, what, flags = struct.unpack_from("=BBBBBBBBI", message)
        if what == UNICAST and not flags & CLONED and family in (socket.AF_INET, socket.AF_INET6) and 4 in found:
            yield f"route {prefix(family, found.get(1), length)}{via(found)} dev {name(found[4], names)} {table(found)}"
    else:
        family, _, length = struct.unpack_from("=BBB", message)
        if family in (socket.AF_INET, socket.AF_INET6):
            yield f"rule from {prefix(family, found.get(2), length)} {table(found)}"


def prefix(family: int, address: bytes | None, length: int) -> str:
    if family == socket.AF_INET:
        return f"{IPv4Address(address or bytes(4))}/{length}"
    return f"{IPv6Address(address or bytes(16))}/{length}"


def via(found: Attributes) -> str:
    return f" via {ip_address(found[5])}" if 5 in found else ""


def name(index: bytes, names: dict[int, str]) -> str:
    return names.get(struct.unpack("=i", index)[0], "?")


def table(found: Attributes) -> str:
    return f"table {struct.unpack('=I', found[15])[0]}" if 15 in found else ""


def settings(wanted: list[str]) -> list[str]:
    """Those of the wanted settings (`setting NAME VALUE`) that are otherwise."""
    return [words for words in wanted if words.startswith("setting ") and read(words.split()[1]) != words.split()[2]]


def read(setting: str) -> str:
    try:
        return Path("/proc/sys", setting).read_text().strip()
    except FileNotFoundError:
        return ""


class Waiting(Protocol):
    """Waits until what was taken away is right again."""

    def before(self) -> list[str]:
        """Look at what is there before anything is taken away; what is missing already."""
        ...

    def complete(self, patience_s: float) -> tuple[float, list[str]]:
        """When it was, by the monotonic clock, and nothing; or what was still missing after so many seconds."""
        ...


class State:
    """Everything that is wanted is there."""

    def __init__(self, tables: Tables, wanted: list[str]) -> None:
        self._tables, self._wanted = tables, wanted
        self._told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._told.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._told.bind((0, sum(1 << (group - 1) for group in GROUPS)))
        self._told.setblocking(False)

    def before(self) -> list[str]:
        return self.complete(BEFORE_S)[1]

    def complete(self, patience_s: float) -> tuple[float, list[str]]:
        deadline = time.monotonic() + patience_s
        missing = self._missing()
        while missing and time.monotonic() < deadline:
            if select.select([self._told], [], [], GLANCE_S)[0]:
                self._drain()
                missing = self._missing()
            elif all(words.startswith("setting ") for words in missing):
                missing = settings(self._wanted)
        return time.monotonic(), missing

    def _missing(self) -> list[str]:
        there = self._tables.state()
        absent = [words for words in self._wanted if not words.startswith("setting ") and words not in there]
        return absent + settings(self._wanted)

    def _drain(self) -> None:
        try:
            while self._told.recv(1 << 16):
                pass
        except BlockingIOError:
            pass


class Pass:
    """The daemon has told of a pass that put a kind right."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def before(self) -> list[str]:
        self._seen = self._written()
        return []

    def complete(self, patience_s: float) -> tuple[float, list[str]]:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if (written := self._written()) != self._seen:
                self._seen, now = written, time.monotonic()
                if self._put_right():
                    return now, []
            time.sleep(GLANCE_S)
        return time.monotonic(), [self._kind]

    def _written(self) -> tuple[int, int]:
        told = STATUS.stat()  # replaced as a whole each time
        return told.st_ino, told.st_mtime_ns

    def _put_right(self) -> bool:
        kinds = json.loads(STATUS.read_text())["kinds"]
        return any(each["kind"] == self._kind and each["done"] and each["state"] == "ok" for each in kinds)


def write(_: Tables, setting: str, value: str) -> None:
    Path("/proc/sys", setting).write_text(value)


def down(tables: Tables, interface: str) -> None:
    tables.set_up(interface, up=False)


def flap(tables: Tables, interface: str) -> None:
    tables.set_up(interface, up=False)
    tables.set_up(interface, up=True)


def release(tables: Tables, port: str) -> None:
    tables.release(port)


def end(_: Tables, pid: str) -> None:
    os.kill(int(pid), signal.SIGTERM)


def unbind(_: Tables) -> None:
    CONTROLLER.write_text("\n")


def remove(_: Tables) -> None:
    from firstboot.gadget import configfs  # noqa: PLC0415

    configfs.remove()


VERBS: Mapping[str, Callable[..., None]] = {
    "write": write,  # a setting, its value
    "down": down,  # an interface
    "flap": flap,  # an interface: down, and up again at once
    "release": release,  # a bridge's port
    "end": end,  # a unit: its process
    "unbind": unbind,  # the gadget is shown to no host
    "remove": remove,  # the gadget is not there
}


def take(tables: Tables, what: str) -> float:
    """Take it away; the time just before."""
    verb, *words = what.split()
    if verb == "end":
        words = [subprocess.check_output(["systemctl", "show", "-P", "MainPID", *words], text=True).strip()]
    there = tables.state() if verb not in VERBS else {}
    began = time.monotonic()
    if verb in VERBS:
        VERBS[verb](tables, *words)
    else:
        tables.take(*there[what])
    return began


def rounds(job: dict[str, Any]) -> dict[str, Any]:
    tables, seconds = Tables(), list[float]()
    waiting: Waiting = State(tables, job["wanted"]) if "wanted" in job else Pass(job["kind"])
    for _ in range(job["rounds"]):
        time.sleep(job["spacing_s"] + random.random())
        if missing := waiting.before():
            return {"seconds": seconds, "before": missing}
        began = take(tables, job["take"])
        ended, missing = waiting.complete(job["patience_s"])
        if missing:
            return {"seconds": seconds, "missing": missing}
        seconds.append(ended - began)
    return {"seconds": seconds}


if __name__ == "__main__":
    sys.path.insert(0, "/usr/lib/appliance")  # for `remove` alone
    print(json.dumps(rounds(json.loads(sys.argv[1]))))
