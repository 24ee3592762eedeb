"""Knowing whether the tunnel carries, by asking through it all the time.

The questions also hold open what a router on the way remembers of the tunnel (NAT), and keep the broker from taking it
for abandoned. They have a thread of their own, which sleeps in the kernel; only another finding wakes the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.well_known import BEYOND
from firstboot import files
from firstboot.asker import Asker
from firstboot.health.asking import TIMEOUT_S, asked
from firstboot.health.diagnosis import Health, diagnosis
from firstboot.health.hysteresis import Hysteresis
from firstboot.health.question import Question
from firstboot.health.record import Record
from firstboot.health.sizes import Sizes

INTERVAL_S = 2.5
"""From one round to the next. In doubt it is `TIMEOUT_S`, so a dead tunnel is known after 6.5 s at most: this, the
round that is lost first, and `hysteresis.MISSES` - 1 more. That nothing is beyond a live one, it is after 14 s.
"""


class Prober(Asker[Question]):
    """Asks about one tunnel, and forgets what was known where there is none. `on_change` is called from another thread.

    `remembered`: a file that is there while the tunnel carries. It goes with the power: what a network was offered
    before the daemon was started again stays offered, but nothing is from power-on.
    """

    def __init__(self, on_change: Callable[[], object], remembered: Path, *, is_known: bool = False) -> None:
        """`is_known`: whether it carries was known before."""
        super().__init__("health of the tunnel")
        self._on_change, self._remembered = on_change, remembered
        self._health = Health(carries=remembered.exists(), is_known=is_known)
        self._turns = cycle(BEYOND)

    @property
    def health(self) -> Health:
        """What is known now."""
        return self._health

    def _run(self) -> None:
        """Until there is nothing more to be asked."""
        question, record = None, Record(Sizes(0))
        while (now := self._current()) is not None:
            if question is None or not question.is_about_the_same(now):
                record = Record(Sizes(now.full), Hysteresis(alive=True if self._health.carries else None))
            elif question.full != now.full:
                record = record.with_full(now.full)
            elif (question.local, question.router) != (now.local, now.router):
                record = record.elsewhere()
            question = now
            record = self._after_a_round(question, record)

    def _forget(self) -> None:
        self._learn(Health(is_known=self._health.is_known))

    def _after_a_round(self, question: Question, record: Record) -> Record:
        began = time.monotonic()
        beyond = BEYOND if record.life.is_in_doubt else (next(self._turns),) if record.is_beyond_due else ()
        size = record.sizes.to_try if record.is_size_due(began) else None
        found = asked(question, beyond, size=size, trace=record.is_trace_due)
        record = record.after(found, question, time.monotonic())
        # Once known, it stays so where the tunnel becomes another: another one serves meanwhile.
        is_known = self._health.is_known or record.is_known
        what = diagnosis(record.evidence(question))
        self._learn(Health(record.carries, what, record.sizes.largest, is_known))
        interval_s = TIMEOUT_S if record.is_in_doubt else INTERVAL_S
        self._wait(question, began + interval_s - time.monotonic())
        return record

    def _learn(self, health: Health) -> None:
        if self._stopped:
            return
        if health.carries != self._health.carries:
            self._remember(health.carries)
        changed, self._health = health != self._health, health
        if changed:
            self._on_change()

    def _remember(self, carries: bool) -> None:
        with suppress(ApplianceError, OSError):  # of a full disk, others tell
            if carries:
                files.replace(self._remembered, b"")
            else:
                self._remembered.unlink(missing_ok=True)


def begun(on_change: Callable[[], object], remembered: Sequence[Path]) -> tuple[Prober, ...]:
    """One for each of these files. If one of them is there, so a tunnel carried, it was known of each before."""
    is_known = any(path.exists() for path in remembered)
    return tuple(Prober(on_change, path, is_known=is_known) for path in remembered)
