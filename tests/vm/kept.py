"""Datagrams from the LAN to the Internet and back, all the time: a connection that the firewall knows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from image.lab import site as places
from image.lab.gateway import Lab
from image.lab.topology import CLIENT, INTERNET
from image.lab.waiting import until

PORT = 7777


@dataclass(frozen=True)
class Kept:
    """What the one who speaks tells."""

    log: Path

    @property
    def answers(self) -> int:
        """So far."""
        return self._told()[0]

    @property
    def lost(self) -> int:
        """How many datagrams were not answered."""
        return self._told()[1]

    def _told(self) -> tuple[int, int]:
        lines = self.log.read_text().rpartition("\n")[0].splitlines()
        answered, lost = lines[-1].split() if lines else ("0", "0")
        return int(answered), int(lost)


@contextmanager
def kept_connection(lab: Lab) -> Iterator[Kept]:
    """While the block runs."""
    log, world = lab.world.log("kept"), lab.world
    ends = [str(places.SERVER.ip), str(PORT)]
    with world.running(INTERNET, [sys.executable, "-m", "tests.lab.kept", "serve", *ends], log="kept-server"):
        until(lambda: "serving" in world.log("kept-server").read_text(), "somebody answers", timeout_s=10)
        with world.running(CLIENT, [sys.executable, "-m", "tests.lab.kept", "speak", *ends], log="kept"):
            kept = Kept(log)
            until(lambda: kept.answers > 0, "an answer", timeout_s=10)
            yield kept
