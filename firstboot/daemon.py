"""The daemon: whatever happens, the machine is looked at and put right, and the outcome is told."""

from __future__ import annotations

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from appliance.errors import ApplianceError, TemporaryError
from firstboot import files, status
from firstboot.bus import Bus
from firstboot.configuration import Configuration, Configurations
from firstboot.events import DeviceEvents, Events, NetworkEvents
from firstboot.host import Host
from firstboot.kinds import KINDS
from firstboot.netlink import Netlink
from firstboot.notify import notify
from firstboot.paths import LAST_GOOD, REPORT_NAME, STATUS, fat_partition
from firstboot.reconcile import Outcome, reconcile

DEBOUNCE_S = 0.05
"""One change of the network comes as many messages."""

RESYNC_S = 60.0
"""Not every change is told by anybody (accept_ra, a file)."""

RETRY_S = 5.0
"""While something is waited for or has failed."""

WATCHDOG_S = 20.0

log = logging.getLogger("appliance")


class Daemon:
    """Everything that wakes leads to the same pass over all kinds."""

    def __init__(self, fat: Path) -> None:
        self._fat = fat
        self._configurations = Configurations(fat, LAST_GOOD)
        self._dirty = asyncio.Event()
        self._stopping = False
        # pyroute2 and the blocking D-Bus calls stay in one thread of their own.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reconcile")
        self._told: dict[Path, str] = {}
        self._logged: dict[str, Outcome] = {}

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; SIGHUP means: look now."""
        loop = asyncio.get_running_loop()
        self._on_signals(loop)
        for events in (NetworkEvents(), DeviceEvents()):
            loop.add_reader(events.fileno(), self._wake, events)
        bus = Bus(loop)
        bus.on_unit_change = self._dirty.set
        await bus.connect()
        netlink = await loop.run_in_executor(self._worker, Netlink)
        heartbeat = asyncio.create_task(_heartbeat())
        try:
            await self._work(loop, Host(netlink, bus))
        finally:
            heartbeat.cancel()
            notify("STOPPING=1")
            self._worker.shutdown()

    def _on_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGHUP, self._dirty.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self._stopping = True
        self._dirty.set()

    def _wake(self, events: Events) -> None:
        events.drain()
        self._dirty.set()

    async def _work(self, loop: asyncio.AbstractEventLoop, host: Host) -> None:
        while not self._stopping:
            self._dirty.clear()
            overall = await loop.run_in_executor(self._worker, self._pass, host)
            notify(f"READY=1\nSTATUS={overall}")
            try:
                timeout_s = RESYNC_S if overall == status.Overall.READY else RETRY_S
                await asyncio.wait_for(self._dirty.wait(), timeout_s)
                await asyncio.sleep(DEBOUNCE_S)
            except TimeoutError:
                continue

    def _pass(self, host: Host) -> status.Overall:
        """Put everything right once, and tell. Runs in the worker thread."""
        configuration = self._configurations.current(host.facts())
        outcomes = reconcile(configuration.appliance, KINDS, host)
        for outcome in outcomes:
            self._log(outcome)
        told = _status(configuration, outcomes, host)
        if told.overall == status.Overall.READY:
            self._configurations.remember()
        # The report first: who waits for status.json finds it written.
        self._tell(self._fat / REPORT_NAME, status.to_text(told))
        files.replace(STATUS, status.to_json(told).encode())
        return told.overall

    def _log(self, outcome: Outcome) -> None:
        for line in outcome.done:
            log.info("%s: %s", outcome.kind, line)
        if self._logged.get(outcome.kind) != outcome and outcome.error:
            log.warning("%s: %s: %s", outcome.kind, outcome.state, outcome.error)
        self._logged[outcome.kind] = outcome

    def _tell(self, path: Path, content: str) -> None:
        """Write what changed only: the card wears out."""
        if self._told.get(path) == content:
            return
        try:
            files.replace(path, content.encode())
        except ApplianceError as error:
            log.warning("%s", error)
        else:
            self._told[path] = content


def _status(configuration: Configuration, outcomes: tuple[Outcome, ...], host: Host) -> status.Status:
    return status.Status(
        appliance=configuration.appliance,
        source=configuration.source,
        outcomes=outcomes,
        facts=host.facts(),
        problems=configuration.problems,
        warnings=configuration.warnings,
        trouble=configuration.trouble,
    )


async def _heartbeat() -> None:
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(WATCHDOG_S)


async def _run() -> None:
    await Daemon(fat_partition()).run()


def main() -> int:
    """Run the daemon until it is stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        asyncio.run(_run())
    except TemporaryError as error:
        log.error("%s", error)
        return error.exit_code
    return 0
