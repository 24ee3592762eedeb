"""Keeps the page: files that lighttpd shows as they are, written anew when something else is to be told.

What nobody tells of (the firewall's counters) is looked at only while somebody reads the page.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from appliance.errors import ApplianceError
from appliance.model import Profile
from firstboot import files
from firstboot.counting import Counting, counts_of
from firstboot.history import History
from firstboot.page.content import Content, content
from firstboot.page.leases import leases
from firstboot.page.metrics import metrics
from firstboot.page.refused import Refused, refused
from firstboot.page.watcher import Watcher
from firstboot.policy.policy import policy_of
from firstboot.render import render_once
from firstboot.status import Status

PAGE, JSON, METRICS = "index.html", "status.json", "metrics"
LOOK_S = 10.0
"""So often, at most, while somebody reads it."""
SPACING_S = 2.0
"""The least time between two pages, however much happens."""
OVERDUE_S = 30.0
"""A page that waits for so long for a moment in which nothing else is to be done is made all the same."""
REST = 20.0
"""So many times as long as making it took is the rest after it: it may not cost a Zero more than a twentieth."""

log = logging.getLogger("appliance")


class Machine(Counting, Protocol):
    """What the page looks at."""

    def lease_lines(self) -> Sequence[str]:
        """dnsmasq's leases, as they are in its files."""
        ...


class Teller:
    """The files. To be used from one thread, but for `due_in_s`."""

    def __init__(
        self,
        folder: Path,
        history: History,
        settings: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`settings`: by kind, the path in appliance.yaml that wants it."""
        self._folder, self._history, self._settings, self._clock, self._now = folder, history, settings, clock, now
        self._watcher = Watcher(folder)
        self._status: Status | None = None
        self._told: Content | None = None
        self._has_failed = False
        self._new_since_s: float | None = None
        """Since when there is a status that was not told yet."""
        self._rest_until_s = self._look_at_s = clock()

    def tell(self, status: Status, machine: Machine) -> None:
        """There is another status. It is written as soon as nothing else is to be done."""
        self._status = status
        if self._new_since_s is None:
            self._new_since_s = self._clock()
        elif self._clock() - self._new_since_s > OVERDUE_S:
            self.look(machine)

    def due_in_s(self) -> float:
        """When `look` has something to do."""
        return max(0.0, self._due_s() - self._clock())

    def _due_s(self) -> float:
        if self._new_since_s is not None:
            return self._rest_until_s
        return self._look_at_s if self._status is not None and _has_page(self._status) else math.inf

    def look(self, machine: Machine) -> None:
        """Write what is to be told, if its time has come. No page is worth the daemon's end."""
        began_s = self._clock()
        if self._status is None or began_s < self._due_s():
            return
        is_read = self._watcher.was_read()
        if self._new_since_s is not None or is_read or self._has_failed:
            try:
                self._write(self._status, machine, is_read=is_read)
            except Exception as error:
                if not self._has_failed:
                    log.warning("the status page: %s", error, exc_info=not isinstance(error, ApplianceError))
                self._has_failed = True
            else:
                self._has_failed = False
        rest_s = REST * (self._clock() - began_s)
        self._new_since_s = None
        self._rest_until_s = began_s + max(SPACING_S, rest_s)
        self._look_at_s = began_s + max(LOOK_S, rest_s)

    def _write(self, status: Status, machine: Machine, *, is_read: bool) -> None:
        if not _has_page(status):
            self._told = None
            for name in (PAGE, JSON, METRICS):
                (self._folder / name).unlink(missing_ok=True)
            return
        found = self._content(status, machine)
        if found == self._told and not is_read:
            return
        for name, text in rendered(found, self._now()).items():
            files.replace(self._folder / name, text.encode())
        self._told = found

    def _content(self, status: Status, machine: Machine) -> Content:
        return content(
            status,
            history=self._history.lately(),
            settings=self._settings,
            leases=leases(machine.lease_lines(), status.appliance, status.facts),
            refused=_refused(status, machine),
        )


def _has_page(status: Status) -> bool:
    """A machine that is not ours as a whole serves nobody."""
    return status.appliance.status_page and status.appliance.profile is not Profile.CUSTOM


def rendered(found: Content, now: datetime) -> Mapping[str, str]:
    """The files, by name, as they are told at a time (UTC)."""
    told = now.replace(microsecond=0)
    return {
        PAGE: render_once("page.html.j2", page=found, told=told.isoformat()),
        METRICS: metrics(found, told.timestamp()),
        JSON: json.dumps({"told": told.isoformat(), **found.as_json()}, indent=1) + "\n",
    }


def _refused(status: Status, machine: Machine) -> Refused | None:
    """None where it cannot be read: the page has more to say."""
    if not status.facts.links:
        return None
    try:
        policy = policy_of(status.appliance, status.facts)
        return refused(policy, counts_of(machine, policy))
    except ApplianceError:
        return None
