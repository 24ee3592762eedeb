"""The firewall: what its rules cost packets that pass, and what a change of them costs."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from firstboot.policy.decision import Packet
from tests.bench.firewall_rulesets import FIRST_PORT, IPV4, IPV6, Ends, appliance, load_by_hand, load_policy
from tests.bench.shown import heading, judged, table
from tests.netns import packets
from tests.netns.crossing import LAN, Crossing, crossing
from tests.netns.namespace import Namespace

SERVICES = (10, 100, 1000)
ROUNDS = 5
CONNECTIONS = 20_000
SECONDS = 1
SHARE = 0.8
APPLY_S = 2.0
EVERY_S = 0.001

Loads = Callable[[Crossing, Ends, int], None]


@dataclass(frozen=True)
class Figures:
    """Of one connection, Gbit/s; and how many new ones a processor lets pass in a second."""

    gbit: float
    new: float


@dataclass(frozen=True)
class Subject:
    """Rules with so many services; 0: none at all."""

    name: str
    count: int = 0
    load: Loads = lambda site, ends, count: None

    def opening(self, ends: Ends) -> Packet:
        """The first packet of a connection to the service in the middle; without rules there is nobody but itself."""
        if self.count:
            return Packet(ends.outside, ends.asked, "tcp", ends.wire, LAN, ends.asked_port(self.count))
        return Packet(ends.outside, ends.inside, "tcp", ends.wire, LAN, FIRST_PORT)


def measure(folder: Path) -> None:
    """All of it."""
    for ends in (IPV6, IPV4):
        _forward(folder, ends)
    _apply(folder)


def _forward(folder: Path, ends: Ends) -> None:
    """What passes, with no rules, the hand-written ones and the policy's."""
    manner = "translated both ways" if ends.family == 4 else "nothing translated"
    heading(f"firewall: IPv{ends.family} through a router in namespaces, {manner}; the best of {ROUNDS} rounds")
    subjects = [Subject("no rules")]
    for count in SERVICES:
        subjects.append(Subject(f"hand-written, {count} services", count, load_by_hand))
        subjects.append(Subject(f"policy, {count} services", count, load_policy))
    figures = _in_turns(folder, ends, subjects)
    rows = [
        (subject.name, f"{found.gbit:.2f}", f"{found.new:.0f}")
        for subject, found in zip(subjects, figures, strict=True)
    ]
    table(["", "Gbit/s", "new connections/s"], rows)
    by_hand, ours = figures[-2:]
    for what, share in (("throughput", ours.gbit / by_hand.gbit), ("new connections", ours.new / by_hand.new)):
        judged(f"{what}, of what the hand-written has", f"{share:.2f}", f"≥ {SHARE:g}", reached=share >= SHARE)


def _in_turns(folder: Path, ends: Ends, subjects: Sequence[Subject]) -> Sequence[Figures]:
    """One round of each after the other, as the machine's own speed changes; the best is the least disturbed."""
    with ExitStack() as stack:
        sites = [stack.enter_context(crossing(folder)) for _ in subjects]
        for site, subject in zip(sites, subjects, strict=True):
            site.router.program("nft", "delete", "table", "inet", "probe")
            _give_addresses(site, ends)
            subject.load(site, ends, subject.count)
        openings = [list(_frames(subject.opening(ends), site)) for site, subject in zip(sites, subjects, strict=True)]
        rounds = [
            [
                Figures(_gbit(site, ends), _new(site, ends.wire, frames))
                for site, frames in zip(sites, openings, strict=True)
            ]
            for _ in range(ROUNDS)
        ]
    return [
        Figures(max(each.gbit for each in found), max(each.new for each in found))
        for found in zip(*rounds, strict=True)
    ]


def _give_addresses(site: Crossing, ends: Ends) -> None:
    family, length = f"-{ends.family}", 24 if ends.family == 4 else 64
    gateway = "192.168.2.1" if ends.family == 4 else "2001:db8:123d:abc::1"
    nodad = () if ends.family == 4 else ("nodad",)
    site.inside.program("ip", "addr", "add", f"{ends.inside}/{length}", "dev", LAN, *nodad)
    site.inside.program("ip", family, "route", "add", "default", "via", gateway)
    site.outside.program("ip", "addr", "add", ends.router, "dev", ends.wire, *nodad)
    site.outside.program("ip", "addr", "add", str(ends.outside), "dev", "lo", *nodad)
    inside = "192.168.2.0/24" if ends.family == 4 else "2001:db8:123d:abc::/64"
    via = "203.0.113.5" if ends.family == 4 else "2001:db8:123c:abd::2"
    site.outside.program("ip", family, "route", "add", inside, "via", via)
    site.inside.program(
        "ping", "-c", "5", "-i", "0.3", str(ends.outside)
    )  # one of them gets through, and neighbours are known


def _gbit(site: Crossing, ends: Ends) -> float:
    """One TCP connection from inside to outside."""
    server = site.outside.call(Namespace.begin, "iperf3", "--server", "--bind", str(ends.outside))
    time.sleep(0.3)
    told = json.loads(site.inside.program("iperf3", "--client", str(ends.outside), "--time", str(SECONDS), "--json"))
    server.kill()
    server.communicate()
    assert "error" not in told, told["error"]
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e9


def _new(site: Crossing, wire: str, frames: Sequence[bytes]) -> float:
    """First packets of connections, a second of the processor: whoever sends them is who forwards them here."""
    site.router.program("conntrack", "-F")
    before, deadline = _sent(site), time.monotonic() + 60
    took_s = site.outside.call(_send, wire, frames)
    while _sent(site) - before < CONNECTIONS:
        assert time.monotonic() < deadline, "not all came through"
    return CONNECTIONS / took_s


def _send(interface: str, frames: Sequence[bytes]) -> float:
    before = resource.getrusage(resource.RUSAGE_THREAD)
    packets.send(interface, frames)
    after = resource.getrusage(resource.RUSAGE_THREAD)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _frames(opening: Packet, site: Crossing) -> Iterator[bytes]:
    """Of many hosts, each with many ports."""
    target = site.router.call(packets.mac_of, opening.arriving)
    for number in range(CONNECTIONS):
        source = type(opening.source)(int(opening.source) + 1 + number % 16)
        yield packets.frame(replace(opening, source=source), 1024 + number // 16, target)


def _sent(site: Crossing) -> int:
    return site.router.call(_packets_of, LAN)


def _packets_of(interface: str) -> int:
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[10]) for line in lines if line.split(":")[0].strip() == interface)


def _apply(folder: Path) -> None:
    """A changed policy, while packets of an established connection pass every millisecond."""
    count = SERVICES[-1]
    heading(f"firewall: a changed policy of {count} services is put in force")
    for ends in (IPV6, IPV4):
        changed = appliance(ends, count, "another")
        with crossing(folder) as site:
            _give_addresses(site, ends)
            load_policy(site, ends, count)
            took, sent, got = _while_flowing(site, ends, partial(site.load, changed))
        what = f"IPv{ends.family} services; both families loaded"
        judged(what, f"{took:.2f} s", f"≤ {APPLY_S:g} s", reached=took <= APPLY_S)
        judged("of an established connection", f"{sent - got} of {sent} lost", "none lost", reached=sent == got)


def _while_flowing(site: Crossing, ends: Ends, change: Callable[[], None]) -> tuple[float, int, int]:
    """How long the change took, and how many datagrams were sent and came."""
    there = (str(ends.outside), 9)
    far, near = site.outside.call(_socket, there), site.inside.call(_socket, (str(ends.inside), 9))
    with closing(far), closing(near):
        near.sendto(b"", there)
        _, peer = far.recvfrom(64)
        far.sendto(b"", peer)
        near.recvfrom(64)  # known, both ways
        stop, counts = threading.Event(), [0, 0]
        flow = threading.Thread(target=_flow, args=(near, far, there, stop, counts))
        flow.start()
        time.sleep(0.5)
        began = time.monotonic()
        change()
        took = time.monotonic() - began
        time.sleep(0.5)
        stop.set()
        flow.join()
    return took, counts[0], counts[1]


def _flow(
    near: socket.socket, far: socket.socket, there: tuple[str, int], stop: threading.Event, counts: list[int]
) -> None:
    while not stop.is_set():
        near.sendto(b"x", there)
        counts[0] += 1
        try:
            far.recv(64)
            counts[1] += 1
        except TimeoutError:
            pass
        time.sleep(EVERY_S)


def _socket(address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(1.0)
    made.bind(address)
    return made
