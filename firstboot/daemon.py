"""The daemon: whatever happens, the machine is looked at and put right, and the outcome is told."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from appliance.errors import TemporaryError
from firstboot import api
from firstboot.answers import Answers
from firstboot.api import Api
from firstboot.bus import Bus
from firstboot.events import DeviceEvents, Events, firewall_events, network_events, setting_events
from firstboot.file_events import FileEvents
from firstboot.health.prober import begun
from firstboot.history import History
from firstboot.host import Host
from firstboot.kind import Kind
from firstboot.kinds import KINDS
from firstboot.neighbours import Neighbours
from firstboot.netlink import Netlink
from firstboot.notify import notify
from firstboot.observed_host import LEASES
from firstboot.passes import Passed, Passes
from firstboot.paths import FORMER_FILES, SIX_RD, TUNNELS_CARRY, fat_partition
from firstboot.privileges import listening, require
from firstboot.sources import EVERYTHING, NOTHING, Source
from firstboot.tunnels.asking import SixRdAsker
from firstboot.wlan import Wlan

T = TypeVar("T")

SPACING_S = 0.05
"""The least time from the beginning of a pass to that of the next one: a change comes as many messages."""

SETTLE_S = 1e-5
"""For each interface, how long what else comes with a change is waited for, as a look at many takes long, too."""

REST = 2.5
"""So many times as long as a pass or a look kept the processor, none begins after it began: whatever happens, and with
the reading of messages, half of it is others'.
"""

MOMENT_S = 0.002
"""For so long, what else the kernel tells of the network is waited for before it is read."""

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

_UNITS = Source.UNITS | Source.FILES | Source.SURROUNDINGS
"""A unit that starts reads files and may write some, and one of them is NetworkManager."""
_WIRELESS = Source.RADIO | Source.UNITS

log = logging.getLogger("appliance")


class Daemon:
    """Everything that wakes leads to the same pass over all kinds."""

    def __init__(self, folder: Path, kinds: Sequence[Kind[Any]] = KINDS, *, custom: bool = False) -> None:
        """`folder`: the card's, or that of a `custom` machine's configuration."""
        with listening():
            self._network = network_events()
            self._others: tuple[Events, ...] = (setting_events(), firewall_events(), DeviceEvents())
        self._files = FileEvents()
        self._history = History()
        self._answers = Answers(kinds, self._history, self._in_worker, self._ask_again, self._confirm)
        self._passes = Passes(
            folder,
            kinds,
            self._history,
            self._answers.note,
            alive=self._alive,
            writer=self._network.removals.writer,
            custom=custom,
        )
        self._woken = asyncio.Event()
        self._changed = EVERYTHING
        """What may be another since the last pass: one is due."""
        self._told = NOTHING
        """What of the network has been told of, and may be no news."""
        self._stopping = False
        self._alive_at: float | None = None
        # pyroute2 and the blocking D-Bus calls stay in one thread of their own.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reconcile")
        self._host: Host | None = None
        self._api: Api | None = None

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; SIGHUP means: look now. Raises `TemporaryError` when the bus is lost."""
        loop = asyncio.get_running_loop()
        self._on_signals(loop)
        bus = Bus(loop, on_unit_change=partial(self._wake, _UNITS), on_loss=self._wake)
        await bus.connect()
        await bus.on_resume(self._wake)  # whatever happened meanwhile, nobody told
        wlan = Wlan(bus, on_change=partial(self._wake, _WIRELESS))
        await wlan.listen()
        await self._offer_api(bus)
        await self.serve(bus, wlan)

    async def _offer_api(self, bus: Bus) -> None:
        """Without it the machine is kept right all the same."""
        offered = Api(self._answers)
        try:
            await bus.offer(api.NAME, api.PATH, offered)
        except TemporaryError as error:
            log.warning("%s", error)
        else:
            self._api = offered

    async def serve(self, bus: Bus | None = None, wlan: Wlan | None = None) -> None:
        """Work until stopped. Without a bus (in a bare network namespace) there are no units and no NetworkManager."""
        loop = asyncio.get_running_loop()
        self._passes.report.begin()
        self._files.watch({self._passes.configurations.file})  # from before it is read: nobody else notices a change
        self._hear_network(loop)
        for events in (*self._others, self._files):
            loop.add_reader(events.fileno(), self._on_events, events)
        on_news = partial(loop.call_soon_threadsafe, self._wake, Source.SURROUNDINGS)
        self._passes.neighbours = neighbours = Neighbours(on_news)
        self._passes.probers = probers = begun(on_news, TUNNELS_CARRY)
        self._passes.six_rd = six_rd = SixRdAsker(on_news, SIX_RD)
        with listening():
            netlink = await loop.run_in_executor(self._worker, Netlink)
        self._network.removals.ignore(netlink.port)
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            on_reaction = partial(loop.call_soon_threadsafe, self._wake, Source.REACTIONS)
            on_broker = partial(loop.call_soon_threadsafe, self._wake, Source.BROKER)
            self._host = Host(
                netlink,
                bus,
                wlan,
                lambda: neighbours.answers,
                on_reaction,
                on_broker=on_broker,
                healths=lambda: tuple(prober.health for prober in probers),
                six_rd=lambda: six_rd.told,
                former_files=FORMER_FILES if self._passes.custom else None,
            )
            await self._work(loop, self._host, bus)
        finally:
            heartbeat.cancel()
            for prober in probers:
                prober.stop()
            six_rd.stop()
            notify("STOPPING=1")
            self._worker.shutdown()

    def _on_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGHUP, self._ask_again)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """End after the pass that is under way. To be called on the loop."""
        self._stopping = True
        self._wake()

    def _wake(self, changed: Source = EVERYTHING) -> None:
        self._changed |= changed
        self._woken.set()

    def _ask_again(self) -> None:
        self._passes.ask_again()
        self._wake()

    def _confirm(self) -> bool:
        confirmed = self._passes.confirm()
        self._wake()
        return confirmed

    def _on_events(self, events: Events) -> None:
        if changed := events.drain():
            self._wake(changed)

    def _hear_network(self, loop: asyncio.AbstractEventLoop) -> None:
        """What comes within a moment after the first message is read at once: of thousands, each by itself is dear."""

        def hear() -> None:
            self._on_network()
            loop.remove_reader(self._network.fileno())
            loop.call_later(MOMENT_S, self._hear_network, loop)

        loop.add_reader(self._network.fileno(), hear)

    def _on_network(self) -> None:
        if told := self._network.drain():
            self._told |= told
            self._woken.set()

    async def _in_worker(self, look: Callable[[Passes, Host], T], /) -> T:
        """What is found by a look for which no pass is under way."""
        if self._host is None:
            raise TemporaryError("the daemon is still starting", hint="try again in a few seconds")
        return await asyncio.get_running_loop().run_in_executor(self._worker, look, self._passes, self._host)

    async def _work(self, loop: asyncio.AbstractEventLoop, host: Host, bus: Bus | None) -> None:
        retry_s = RETRY_S
        while not self._stopping:
            began, used_s = loop.time(), _processor_s()
            changed, self._changed, self._told = self._changed | self._told, NOTHING, NOTHING
            self._woken.clear()
            state_before = self._answers.state()
            passed = await loop.run_in_executor(self._worker, self._pass, host, changed)
            if passed.judged:
                self._wake()
            self._files.watch({*host.paths_read(), self._passes.configurations.file}, LEASES)
            used_s = _processor_s() - used_s
            if bus is not None and bus.lost:
                raise TemporaryError("the system bus is gone")
            if self._api is not None:
                self._answers.signal(self._api, passed.outcomes, state_before)
            notify(f"READY=1\nSTATUS={passed.told}")
            self._on_network()
            self._changed |= self._told  # what changed during the pass may have been looked at before
            if passed.settled:
                used_s += await self._watch(loop, host)
            else:
                await self._rest(host, retry_s)
            waits = not passed.settled and not self._woken.is_set()
            retry_s = min(2 * retry_s, LONGEST_RETRY_S) if waits else RETRY_S
            if waits:
                self._changed = EVERYTHING
            rest_s = max(SPACING_S, REST * used_s)
            if not self._stopping:
                await asyncio.sleep(max(began + rest_s - loop.time(), SETTLE_S * passed.links))

    async def _watch(self, loop: asyncio.AbstractEventLoop, host: Host) -> float:
        """Until something happens, or something is found of which nobody told.

        How long the look that found something kept the processor, in seconds; after each other one is a rest.
        """
        until, glance_at = loop.time() + RESYNC_S, loop.time() + GLANCE_S
        while loop.time() < until:
            await self._rest(host, glance_at - loop.time())
            if self._changed or self._stopping:
                return 0.0
            if self._woken.is_set():
                told, self._told = self._told, NOTHING
                self._woken.clear()
                used_s = _processor_s()
                is_other = await loop.run_in_executor(self._worker, self._is_other, host, told)
                used_s = _processor_s() - used_s
                if is_other:
                    self._changed |= told
                    return used_s
                await asyncio.sleep((REST - 1) * used_s)
            elif await loop.run_in_executor(self._worker, self._passes.is_as_read, host):
                glance_at = loop.time() + GLANCE_S
            else:
                break
        self._changed = EVERYTHING
        return 0.0

    def _is_other(self, host: Host, told: Source) -> bool:
        """Whether the network is another than it was at the end of the last pass. Runs in the worker thread."""
        before = host.facts()
        host.look(told)
        return host.facts() is not before

    async def _rest(self, host: Host, longest_s: float) -> None:
        """Until something happens, or the time is up; what is due meanwhile is done in between."""
        deadline = time.monotonic() + longest_s
        while not self._woken.is_set() and (left_s := deadline - time.monotonic()) > 0:
            due_s = self._passes.report.due_s()
            written_s = math.inf if due_s is None else due_s + 0.1
            try:
                wait_s = max(0.0, min(left_s, written_s, self._passes.due_in_s(host)))
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except TimeoutError:
                self._passes.report.flush()
                loop = asyncio.get_running_loop()
                if changed := await loop.run_in_executor(self._worker, self._passes.do_what_is_due, host):
                    self._wake(changed)

    def _pass(self, host: Host, changed: Source) -> Passed:
        """In the worker thread."""
        self._alive()
        try:
            return self._passes.make(host, changed)
        finally:
            self._alive_at = None

    def _alive(self) -> None:
        self._alive_at = time.monotonic()

    async def _heartbeat(self) -> None:
        while True:
            alive_at = self._alive_at
            if alive_at is None or time.monotonic() - alive_at < STUCK_S:
                notify("WATCHDOG=1")
            await asyncio.sleep(HEARTBEAT_S)


def _processor_s() -> float:
    """What this process and the programs that it ran have had of the processor."""
    return sum(os.times()[:4])


def main(custom: Path | None = None) -> int:
    """Run the daemon until it is stopped. `custom`: the folder of the configuration of a machine that has no card."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    require(custom=custom is not None)
    asyncio.run(_run(custom))
    return 0


async def _run(custom: Path | None) -> None:
    await Daemon(custom or fat_partition(), custom=custom is not None).run()
