"""What a host on the LAN has of a server of both families, whatever becomes of the tunnel."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Event, Thread

from appliance.errors import PermanentError
from image.lab import site as places
from image.lab.gateway import Lab
from image.lab.services import PAGE

PAUSE_S = 0.1


def fetch_by_name(lab: Lab) -> tuple[str, float]:
    """The page of a server that has both families, and how long the client took until it was connected, in seconds."""
    name = places.SERVER_NAME
    both = f"{name}:80:[{places.NAMED_IPV6}],{places.NAMED_IPV4}"
    shown = lab.client.run(
        "curl", "--silent", "--show-error", "--max-time", "10", "--resolve", both,
        "--write-out", "%{time_connect} %{remote_ip}", f"http://{name}/",
    )  # fmt: skip
    page, _, told = shown.rpartition("\n")
    assert f"{page}\n" == PAGE
    connected_s, address = told.split()
    return address, float(connected_s)


@dataclass(frozen=True)
class Sample:
    """One connection: when it was begun (monotonic clock), how long it took (inf: it failed), and over which family."""

    at_s: float
    took_s: float
    family: int


@dataclass
class Samples:
    """All of them, and when what they are about began."""

    began_s: float = field(default_factory=time.monotonic)
    found: list[Sample] = field(default_factory=list)

    def begin_again(self) -> None:
        """What they are about begins now."""
        self.began_s = time.monotonic()

    def longest_s(self, *, after_s: float) -> float:
        """The longest of those that were begun so many seconds after the beginning, or later."""
        late = [sample.took_s for sample in self.found if sample.at_s >= self.began_s + after_s]
        assert late, "nobody has tried"
        return max(late)

    def check(self, limit_s: float) -> None:
        """Every connection came about, within so many seconds; the busy computer may have held up one in a hundred."""
        late = [sample for sample in self.found if sample.took_s >= limit_s]
        assert self.longest_s(after_s=0) < math.inf
        assert len(late) <= 1 + len(self.found) // 100, late


@contextmanager
def sampling(lab: Lab, *, at_least_s: float) -> Iterator[Samples]:
    """One connection after the other while the block runs, and at least for so long."""
    samples, ended = Samples(), Event()

    def sample() -> None:
        while not ended.wait(PAUSE_S):
            samples.found.append(_sample(lab))

    thread = Thread(target=sample)
    thread.start()
    try:
        yield samples
        time.sleep(max(0.0, samples.began_s + at_least_s - time.monotonic()))
    finally:
        ended.set()
        thread.join()


def _sample(lab: Lab) -> Sample:
    began = time.monotonic()
    try:
        address, took_s = fetch_by_name(lab)
    except PermanentError:
        return Sample(began, math.inf, 0)
    return Sample(began, took_s, ip_address(address).version)


def has_ipv6(lab: Lab) -> bool:
    """Whether a host on the LAN gets to the IPv6 Internet."""
    try:
        return lab.client.fetch(places.SERVER.ip, timeout_s=1) == PAGE
    except PermanentError:
        return False
