"""A pass: read the configuration, put everything right, judge what is on trial, and tell how it ended."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError
from appliance.model import Appliance, Profile
from firstboot import files, status
from firstboot.completed import Completions
from firstboot.configuration import Configuration, Configurations
from firstboot.facts import Facts
from firstboot.health.prober import Prober
from firstboot.health.question import question
from firstboot.history import History
from firstboot.host import Host
from firstboot.kind import Kind
from firstboot.led import Led, pattern
from firstboot.management import Visits
from firstboot.neighbours import Neighbours
from firstboot.page.teller import Teller
from firstboot.paths import (
    LAST_GOOD,
    LED_BEFORE,
    LEDS,
    LOGIN_MESSAGE,
    PART_LIST,
    PROFILES,
    REPORT_NAME,
    RUN,
    STATUS,
    STATUS_TEXT,
    WWW,
)
from firstboot.policy.decision import admits_ssh
from firstboot.policy.policy import policy_of
from firstboot.reconcile import Outcome, Reconciler, Writer
from firstboot.report import READ_THE_JOURNAL, Report
from firstboot.resources.cable import offered
from firstboot.resources.wifi import joined_network
from firstboot.sharing import questions
from firstboot.sources import EVERYTHING, NOTHING, Source
from firstboot.status_text import to_local_text, to_login_message, to_part_list, to_text
from firstboot.trial import checkpoint
from firstboot.tunnels.asking import SixRdAsker
from firstboot.tunnels.said import said_of
from firstboot.tunnels.six_rd import where_to_ask

log = logging.getLogger("appliance")


@dataclass(frozen=True)
class Passed:
    """How a pass ended. `settled`: until something happens, another one would end the same.

    `judged`: a configuration was kept or taken back, so that another pass has to follow. `outcomes`: those of this
    pass, none where it did not come so far. `links`: how many interfaces there were.
    """

    told: status.Overall
    settled: bool
    judged: bool = False
    outcomes: tuple[Outcome, ...] = ()
    links: int = 0


class Passes:
    """What one pass leaves to the next. All but `ask_again` and `confirm` is to be used from one thread."""

    def __init__(
        self,
        folder: Path,
        kinds: Sequence[Kind[Any]],
        history: History,
        tell: Callable[[status.Status, str], None],
        *,
        alive: Callable[[], None],
        writer: Writer,
        custom: bool,
    ) -> None:
        """`tell` is given each status, and the same as JSON; `alive` and `writer` are the reconciler's.

        A `custom` machine has no card to read a report from.
        """
        self.custom = custom
        self.configurations = Configurations(folder, LAST_GOOD, custom=custom, profiles=PROFILES)
        self._completions = Completions()
        self.report = Report(RUN / REPORT_NAME, advice=READ_THE_JOURNAL) if custom else Report(folder / REPORT_NAME)
        self._led = Led(LEDS, LED_BEFORE)
        self.neighbours: Neighbours | None = None
        self.probers: tuple[Prober, ...] = ()
        """By the tunnels' ranks."""
        self.six_rd: SixRdAsker | None = None
        self.in_force: Configuration | None = None
        """The configuration of the last pass; None before the first one."""
        self._history, self._told = history, tell
        self._titles = {kind.name: kind.title for kind in kinds}
        self._page = Teller(WWW, history, {kind.name: kind.setting for kind in kinds})
        self._reconciler = Reconciler(kinds, alive=alive, news=self._heard, writer=writer)
        self._asked = False

    def ask_again(self) -> None:
        """Somebody asks for what is on the card, even if it was taken back."""
        self._asked = True

    def confirm(self) -> bool:
        """Somebody says that all is well; whether anything was on trial."""
        return self.configurations.trials.confirm()

    def _current(self, host: Host) -> Configuration:
        """The configuration in force; before it is another, the machine is remembered as it is."""
        facts = host.facts()
        read = self.configurations.current(facts, lambda: checkpoint(host.visits(), self._history.last.values()))
        return self._completions.current(read, *said_of(read.appliance, facts))

    def make(self, host: Host, changed: Source) -> Passed:
        """Put everything right once, and tell."""
        began = time.monotonic()
        outcomes: tuple[Outcome, ...] = ()
        judged = False
        if changed == EVERYTHING:
            host.begin()
        host.due_reactions.take_in()
        for correspondence in host.correspondences:
            correspondence.take_in()
        try:
            configuration, outcomes = self._put_right(host, changed)
            self.configurations.trials.was_applied()
            judged = self._judge(host)
            told = self._status(configuration, outcomes, host)
        except ApplianceError as error:
            log.error("%s", error)
            self._tell(self._failed(error.message, outcomes), began, host)
            return Passed(status.Overall.FAILED, settled=False, judged=judged, outcomes=outcomes)
        except Exception as error:  # the daemon ends, and what it said before must not be what is read then
            self._tell(self._failed(f"a bug in the appliance: {type(error).__name__}: {error}", outcomes), began, host)
            raise
        self._tell(told, began, host)
        is_broken = bool(configuration.problems or configuration.trouble or told.failure)
        settled = not is_broken and self._reconciler.is_settled(outcomes)
        return Passed(told.overall, settled, judged, outcomes, len(told.facts.links))

    def due_in_s(self, host: Host) -> float:
        """When there is something to be done that no event tells of."""
        due_in_s = min(each.due_in_s() for each in (host.due_reactions, *host.correspondences))
        return min(due_in_s, self.configurations.trials.due_in_s(), self._page.due_in_s())

    def do_what_is_due(self, host: Host) -> Source:
        """What changed by that."""
        self._page.look(host)
        changed = Source.REACTIONS if host.due_reactions.carry_out() else NOTHING
        for correspondence in host.correspondences:
            changed |= Source.BROKER if correspondence.look() else NOTHING
        failure = self.configurations.failure
        judged = self.configurations.trials.under_way and self._judge(host)
        return EVERYTHING if judged or self.configurations.failure != failure else changed

    def is_as_read(self, host: Host) -> bool:
        """Whether everything of which nobody tells is as it was last found."""
        return self.configurations.is_as_read() and host.is_as_read()

    def _heard(self) -> object:
        answers = self.neighbours.answers if self.neighbours is not None else None
        return answers, [prober.health.carries for prober in self.probers]

    def _put_right(self, host: Host, changed: Source) -> tuple[Configuration, tuple[Outcome, ...]]:
        if self._asked:
            self._asked = False
            self.configurations.try_again()
            for correspondence in host.correspondences:
                correspondence.ask_again()
        configuration = self.in_force = self._current(host)
        outcomes = self._reconciler.reconcile(configuration.appliance, host, changed)
        for outcome in outcomes:
            self._log(outcome)
        self._history.note(outcomes)
        if self.neighbours is not None:
            self.neighbours.ask(questions(configuration.appliance, host.facts()))
        if self.six_rd is not None:
            self.six_rd.ask(where_to_ask(configuration.appliance, host.facts()))
        for rank, prober in enumerate(self.probers):
            prober.ask(question(configuration.appliance, host.facts(), rank))
        return configuration, outcomes

    def _judge(self, host: Host) -> bool:
        before = self.configurations.failure
        judged = self.configurations.judge(tuple(self._history.last.values()), lambda: self._visits(host))
        if self.configurations.failure not in ("", before):
            log.error("%s", self.configurations.failure)
        return judged

    def _visits(self, host: Host) -> Visits:
        """On a machine that is its owner's, who is connected must be able to come back."""
        visits, appliance = host.visits(), self.in_force.appliance if self.in_force is not None else None
        if not self.custom or appliance is None or appliance.profile is Profile.CUSTOM:
            return visits
        try:
            policy = policy_of(appliance, visits.facts)
        except ApplianceError:  # it is not known yet where the outside is, and no other firewall is loaded
            return visits
        return replace(visits, admits=partial(admits_ssh, policy))

    def _status(self, configuration: Configuration, outcomes: tuple[Outcome, ...], host: Host) -> status.Status:
        return replace(
            self._failed(self.configurations.failure, outcomes),
            facts=host.facts(),
            wifi=joined_network(configuration.appliance, host),
            cable=tuple(offered(configuration.appliance, host)),
        )

    def _failed(self, failure: str, outcomes: tuple[Outcome, ...]) -> status.Status:
        """What is known without a look at the machine, which may be what failed."""
        configuration = self.in_force or Configuration(Appliance(profile=Profile.CUSTOM), status.Source.NOTHING, {})
        is_custom = configuration.appliance.profile is Profile.CUSTOM
        return status.Status(
            appliance=configuration.appliance,
            own_name=socket.gethostname() if is_custom else "",
            source=configuration.source,
            outcomes=outcomes,
            facts=Facts(),
            problems=configuration.problems,
            warnings=configuration.warnings,
            trouble=configuration.trouble,
            refused=configuration.refused,
            failure=failure,
            trial=self.configurations.trials.told(),
            repairs=tuple(self._history.repairs()),
            titles=self._titles,
            marks=configuration.marks,
        )

    def _tell(self, told: status.Status, began: float, host: Host) -> None:
        """The report first: who waits for status.json finds it written. A full disk stops none of the rest."""
        content = status.to_json(told, began_s=began)
        self.report.tell(to_text(told))
        texts = {
            STATUS_TEXT: to_local_text(told),
            PART_LIST: to_part_list(told),
            LOGIN_MESSAGE: to_login_message(told),
            STATUS: content,
        }
        for path, data in texts.items():
            try:
                files.replace(path, data.encode())
            except ApplianceError as error:
                log.error("%s", error)
        self._led.show(pattern(told))
        self._told(told, content)
        self._page.tell(told, host)

    def _log(self, outcome: Outcome) -> None:
        for line in outcome.done:
            log.info("%s: %s", outcome.kind, line)
        before = self._history.last.get(outcome.kind)
        if outcome.error and (before is None or before.error != outcome.error):
            log.warning("%s: %s: %s", outcome.kind, outcome.state, outcome.error)
