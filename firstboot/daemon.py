"""The daemon: whatever happens, the machine is looked at and put right, and the outcome is told."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.errors import ApplianceError, TemporaryError
from firstboot import files, status
from firstboot.bus import Bus
from firstboot.configuration import Configuration, Configurations
from firstboot.events import DeviceEvents, Events, firewall_events, network_events, setting_events
from firstboot.host import Host
from firstboot.kinds import KINDS
from firstboot.neighbours import Neighbours
from firstboot.netlink import Netlink
from firstboot.notify import notify
from firstboot.paths import LAST_GOOD, REPORT_NAME, STATUS, STATUS_TEXT, fat_partition
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.report import Report
from firstboot.resources.cable import offered
from firstboot.resources.wifi import joined_network
from firstboot.sharing import questions
from firstboot.wlan import Wlan

DEBOUNCE_S = 0.05
"""One change of the network comes as many messages."""

SPACING_S = 1.0
"""From the beginning of a pass that did something to that of the next one."""

GLANCE_S = 60.0
"""Not every change is told by anybody (accept_ra, a file): what is not is looked at this often."""

RESYNC_S = 900.0
"""The longest time between two looks at everything, should a change ever have been told and not been heard."""

RETRY_S, LONGEST_RETRY_S = 5.0, 30.0
"""While something is waited for or has failed; longer each time, as long as nothing happens."""

HEARTBEAT_S = 60.0
"""A third of the unit's WatchdogSec."""
STUCK_S = 150.0
"""No single action takes that long: a pass without progress is stuck, and systemd's watchdog may end it."""

log = logging.getLogger("appliance")


@dataclass(frozen=True)
class _Passed:
    """How a pass ended. `settled`: until something happens, another one would end the same."""

    told: status.Overall
    settled: bool
    did_something: bool


class Daemon:
    """Everything that wakes leads to the same pass over all kinds."""

    def __init__(self, fat: Path) -> None:
        self._configurations = Configurations(fat, LAST_GOOD)
        self._reconciler = Reconciler(KINDS, alive=self._alive, news=lambda: self._neighbours.answers)
        self._report = Report(fat / REPORT_NAME)
        self._woken = asyncio.Event()
        self._dirty = False
        """A pass is due. Woken and not dirty: something of the network has been told, and may be no news."""
        self._stopping = False
        self._alive_at: float | None = None
        # pyroute2 and the blocking D-Bus calls stay in one thread of their own.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reconcile")
        self._logged: dict[str, Outcome] = {}

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; SIGHUP means: look now. Raises `TemporaryError` when the bus is lost."""
        loop = asyncio.get_running_loop()
        self._on_signals(loop)
        self._report.begin()
        self._network = network_events()
        loop.add_reader(self._network.fileno(), self._on_network)
        for events in (setting_events(), firewall_events(), DeviceEvents()):
            loop.add_reader(events.fileno(), self._on_events, events)
        bus = Bus(loop, on_unit_change=self._wake, on_loss=self._wake)
        await bus.connect()
        wlan = Wlan(bus, on_change=self._wake)
        await wlan.listen()
        self._neighbours = Neighbours(on_change=partial(loop.call_soon_threadsafe, self._wake))
        netlink = await loop.run_in_executor(self._worker, Netlink)
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            host = Host(netlink, bus, wlan, lambda: self._neighbours.answers)
            await self._work(loop, host, bus)
        finally:
            heartbeat.cancel()
            notify("STOPPING=1")
            self._worker.shutdown()

    def _on_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGHUP, self._wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self._stopping = True
        self._wake()

    def _wake(self) -> None:
        self._dirty = True
        self._woken.set()

    def _on_events(self, events: Events) -> None:
        events.drain()
        self._wake()

    def _on_network(self) -> None:
        if self._network.drain():
            self._woken.set()

    async def _work(self, loop: asyncio.AbstractEventLoop, host: Host, bus: Bus) -> None:
        retry_s = RETRY_S
        while not self._stopping:
            began = loop.time()
            self._dirty = False
            self._woken.clear()
            passed = await loop.run_in_executor(self._worker, self._pass, host)
            self._on_network()
            if self._woken.is_set():
                self._wake()  # what changed during the pass may have been looked at before
            if bus.lost:
                raise TemporaryError("the system bus is gone")
            notify(f"READY=1\nSTATUS={passed.told}")
            if passed.settled:
                await self._watch(loop, host)
            else:
                await self._rest(retry_s)
            waits = not passed.settled and not self._woken.is_set()
            retry_s = min(2 * retry_s, LONGEST_RETRY_S) if waits else RETRY_S
            if not self._stopping:
                await asyncio.sleep(max(DEBOUNCE_S, began + SPACING_S - loop.time() if passed.did_something else 0.0))

    async def _watch(self, loop: asyncio.AbstractEventLoop, host: Host) -> None:
        """Until something happens, or something is found of which nobody told."""
        until, glance_at = loop.time() + RESYNC_S, loop.time() + GLANCE_S
        while loop.time() < until:
            await self._rest(glance_at - loop.time())
            if self._woken.is_set():
                await asyncio.sleep(DEBOUNCE_S)
                look = self._is_other
            else:
                look, glance_at = self._glance, loop.time() + GLANCE_S
            if self._dirty:
                return
            self._woken.clear()
            if await loop.run_in_executor(self._worker, look, host):
                return

    def _is_other(self, host: Host) -> bool:
        """Whether the network is another than it was at the end of the last pass. Runs in the worker thread."""
        before = host.facts()
        host.look()
        return host.facts() != before

    def _glance(self, host: Host) -> bool:
        """Whether a pass is due. Runs in the worker thread."""
        return not (self._configurations.is_as_read() and host.is_as_read())

    async def _rest(self, longest_s: float) -> None:
        """Until something happens, or the time is up; what is due on the card is written in between."""
        deadline = time.monotonic() + longest_s
        while not self._woken.is_set() and (left_s := deadline - time.monotonic()) > 0:
            due_s = self._report.due_s()
            try:
                await asyncio.wait_for(self._woken.wait(), left_s if due_s is None else min(left_s, due_s + 0.1))
            except TimeoutError:
                self._report.flush()

    def _pass(self, host: Host) -> _Passed:
        """Put everything right once, and tell. Runs in the worker thread."""
        began = time.monotonic()
        self._alive()
        host.begin()
        try:
            configuration = self._configurations.current(host.facts())
            outcomes = self._reconciler.reconcile(configuration.appliance, host)
            for outcome in outcomes:
                self._log(outcome)
            self._neighbours.ask(questions(configuration.appliance, host.facts()))
            told = _status(configuration, outcomes, host)
            self._tell(told, began)
            if all(outcome.state is not State.FAILED for outcome in outcomes):
                self._configurations.remember()
        except ApplianceError as error:
            log.error("%s", error)
            return _Passed(status.Overall.FAILED, settled=False, did_something=False)
        finally:
            self._alive_at = None
        settled = told.overall is not status.Overall.CONFIG_ERROR and self._reconciler.is_settled(outcomes)
        return _Passed(told.overall, settled, any(outcome.done for outcome in outcomes))

    def _tell(self, told: status.Status, began: float) -> None:
        """The report first: who waits for status.json finds it written."""
        text = status.to_text(told)
        self._report.tell(text)
        files.replace(STATUS_TEXT, text.replace("\r\n", "\n").encode())
        files.replace(STATUS, status.to_json(told, began_s=began).encode())

    def _log(self, outcome: Outcome) -> None:
        for line in outcome.done:
            log.info("%s: %s", outcome.kind, line)
        before = self._logged.get(outcome.kind)
        if outcome.error and (before is None or before.error != outcome.error):
            log.warning("%s: %s: %s", outcome.kind, outcome.state, outcome.error)
        self._logged[outcome.kind] = outcome

    def _alive(self) -> None:
        self._alive_at = time.monotonic()

    async def _heartbeat(self) -> None:
        while True:
            alive_at = self._alive_at
            if alive_at is None or time.monotonic() - alive_at < STUCK_S:
                notify("WATCHDOG=1")
            await asyncio.sleep(HEARTBEAT_S)


def _status(configuration: Configuration, outcomes: tuple[Outcome, ...], host: Host) -> status.Status:
    return status.Status(
        appliance=configuration.appliance,
        source=configuration.source,
        outcomes=outcomes,
        facts=host.facts(),
        problems=configuration.problems,
        warnings=configuration.warnings,
        wifi=joined_network(configuration.appliance, host),
        cable=tuple(offered(configuration.appliance, host)),
        trouble=configuration.trouble,
        marks=configuration.marks,
    )


def main() -> int:
    """Run the daemon until it is stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(_run())
    return 0


async def _run() -> None:
    await Daemon(fat_partition()).run()
