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

PAUSE_S, GIVEN_UP_S = 0.1, 5


def fetch_by_name(lab: Lab) -> tuple[str, float]:
    """The page of a server that has both families, and how long the client took until it was connected, in seconds."""
    page, address, connected_s = _fetch(lab)
    assert page == PAGE
    return address, connected_s


def _fetch(lab: Lab) -> tuple[str, str, float]:
    """What came of the page, the address that it came from, and the seconds until connected (0: it never was)."""
    name = places.SERVER_NAME
    both = f"{name}:80:[{places.NAMED_IPV6}],{places.NAMED_IPV4}"
    words = ["--silent", "--max-time", str(GIVEN_UP_S), "--resolve", both]
    told = ["--write-out", "%{time_connect} %{remote_ip}"]
    shown = lab.client.run("sh", "-c", 'curl "$@" || true', "sh", *words, *told, f"http://{name}/")
    page, newline, told_of_it = shown.rpartition("\n")
    connected_s, _, address = told_of_it.partition(" ")
    return page + newline, address, float(connected_s)


@dataclass(frozen=True)
class Sample:
    """One connection: when it was begun (monotonic clock), how long it took (inf: it failed), over which family, and
    whether the page came as a whole.
    """

    at_s: float
    took_s: float
    family: int
    whole: bool


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

    def check(self, limit_s: float, *, breaks: int) -> None:
        """Every connection came about, within so many seconds; the busy computer may have held up one in a hundred.

        One that has just come about when its way breaks is cut: not more of them than ways were broken.
        """
        late = [sample for sample in self.found if sample.took_s >= limit_s]
        cut = [sample for sample in self.found if sample.took_s < math.inf and not sample.whole]
        assert self.longest_s(after_s=0) < math.inf, late
        assert len(late) <= 1 + len(self.found) // 100, late
        assert len(cut) <= breaks, cut


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
    page, address, connected_s = _fetch(lab)
    if not connected_s:
        return Sample(began, math.inf, 0, whole=False)
    return Sample(began, connected_s, ip_address(address).version, whole=page == PAGE)


def has_ipv6(lab: Lab) -> bool:
    """Whether a host on the LAN gets to the IPv6 Internet."""
    try:
        return lab.client.fetch(places.SERVER.ip, timeout_s=1) == PAGE
    except PermanentError:
        return False
