"""Which configuration is in force: the one on the card, else the last good one, else a rescue.

A broken `appliance.yaml` never takes anything away: what worked goes on. On a first boot there is
nothing that worked; then the Pi takes an address by DHCP, or is there on its cable, and lets in the ssh keys that
could be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.errors import ApplianceError, ConfigError, InputError, Mark, Problem
from appliance.model import Appliance, Profile
from appliance.parse import Parsed, parse_text
from firstboot import files
from firstboot.facts import Facts
from firstboot.management import Visits
from firstboot.packaged import admitted
from firstboot.paths import CONFIG_NAME, GADGET_UNIT, PROFILES
from firstboot.readings import Readings
from firstboot.reconcile import Outcome, State
from firstboot.rendered.ssh import AUTHORIZED_KEYS
from firstboot.rescue import rescue
from firstboot.status import Source
from firstboot.trial import Checkpoint, Trials, Verdict

TRIAL_NAME = "trial.json"


@dataclass(frozen=True)
class Configuration:
    """The configuration in force, and what is wrong with the one on the card."""

    appliance: Appliance
    source: Source
    marks: Mapping[str, Mark]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    trouble: str = ""
    refused: str = ""
    """Why the one on the card was taken back after it had been tried."""


class Configurations:
    """Reads the card's `appliance.yaml` again only when its content has changed.

    `last_good`: the copy of the last one that was kept; trials are remembered beside it. `installed_keys`: the file of
    the ssh keys that are in force. `gadget_unit`: a file that an image has that was made for a gadget. `custom`: the
    machine was not made from an image, so that only this profile is for it and those that `profiles` has a file of,
    and nobody asked to be rescued.
    """

    def __init__(
        self,
        fat: Path,
        last_good: Path,
        installed_keys: Path = AUTHORIZED_KEYS,
        gadget_unit: Path = GADGET_UNIT,
        *,
        custom: bool = False,
        profiles: Path = PROFILES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file, self._last_good = fat / CONFIG_NAME, last_good
        self.trials = Trials(last_good.with_name(TRIAL_NAME), clock=clock)
        self._installed_keys, self._gadget_unit = installed_keys, gadget_unit
        self._custom, self._profiles = custom, profiles
        self._readings = Readings()
        self._data: bytes | None = None
        self._current: Configuration | None = None
        self._used: bytes | None = None
        """What the file said when it was last put in force; None where what is in force is not the card's."""
        self._is_new = True
        """The daemon has just started: what is on the card now replaces nothing that it saw working."""
        self.failure = ""
        """Why it could not be judged, or not be remembered, what is in force."""

    def current(self, facts: Facts, before: Callable[[], Checkpoint] = Checkpoint) -> Configuration:
        """The configuration in force now. `before`: what to remember of the machine as it is before another one."""
        data, trouble = self._readings.take(self.file, self._look, self.file)
        if (
            self._current is None
            or (data, trouble) != (self._data, self._current.trouble)
            or _stale(self._current, facts)
        ):
            found = self._read(data, trouble, facts, before)
            if self._is_new and (trouble or found.problems):
                self.trials.end()  # of what is not on the card any more
            self._current = found if found != self._current else self._current
            self._data, self._is_new = data, self._is_new and found.trouble != trouble
        return self._current

    def is_as_read(self) -> bool:
        """Whether the card's file is as it was last found."""
        return self._readings.hold()

    def checked(self, data: bytes, name: str = CONFIG_NAME) -> Parsed:
        """What a file says that is for this machine. Raises `ConfigError` with all that is wrong in it."""
        parsed = parse_text(data, name)
        return admitted(parsed, self._profiles) if self._custom else parsed

    def _look(self) -> tuple[bytes, str]:
        """What the file says, or why that cannot be told."""
        try:
            file = files.read(self.file)
        except ApplianceError as error:
            return b"", error.message
        if file is None:
            return b"", f"there is no {self.file}" if self._custom else f"there is no {self.file.name} on the card"
        return file.content, ""

    def judge(self, outcomes: Collection[Outcome], visits: Callable[[], Visits]) -> bool:
        """Keep or take back what is on trial; whether one or the other happened. `outcomes`: those of the last pass.

        What cannot be written stays on trial, but for what is to be taken back: nobody may be left to free the disk.
        """
        verdict = Verdict.WAIT
        try:
            verdict, reason = self.trials.verdict(outcomes, visits)
            if verdict is Verdict.TAKE_BACK:
                self._current = None
                self.trials.refuse(reason)
            elif verdict is Verdict.KEEP or self._is_usable(outcomes):
                self._remember()
        except ApplianceError as error:
            self.failure = error.message
            return verdict is Verdict.TAKE_BACK
        self.failure = ""
        return verdict is not Verdict.WAIT

    def _is_usable(self, outcomes: Collection[Outcome]) -> bool:
        """Whether what is in force, and not on trial, may be the last good one."""
        return not self.trials.under_way and all(outcome.state is not State.FAILED for outcome in outcomes)

    def try_again(self) -> None:
        """Somebody asks for what is on the card: what was taken back gets another trial."""
        if self._current is not None and self._current.refused:
            self.trials.end()
            self._current = None

    def _remember(self) -> None:
        """The configuration in force turned out to be usable: keep it for the day when the card's is broken."""
        if self._used is None:
            return
        kept = files.read(self._last_good)
        if kept is None or kept.content != self._used:
            files.replace(self._last_good, self._used, 0o600)
        self.trials.end()  # in this order: were the power cut in between, the trial would be about what is kept

    def _read(self, data: bytes, trouble: str, facts: Facts, before: Callable[[], Checkpoint]) -> Configuration:
        if trouble:
            return self._instead(data, facts, (), trouble)
        try:
            parsed = self.checked(data)
        except ConfigError as error:
            return self._instead(data, facts, error.problems, "")
        try:
            refused = self._try(data, before)
        except ApplianceError as error:
            instead = self._instead(data, facts, (), f"it cannot be put on trial: {error.message}")
            if instead.source is not Source.RESCUE:  # which is less than what nobody has ever found wrong
                return instead
            refused = ""
        if refused:
            return replace(self._instead(data, facts, (), ""), refused=refused)
        self._used = data
        return Configuration(parsed.appliance, Source.FILE, parsed.marks, warnings=parsed.warnings)

    def _try(self, data: bytes, before: Callable[[], Checkpoint]) -> str:
        """Put what replaces a configuration that worked on trial; why it may not, if it had one.

        On a machine that was not made from an image, an empty one worked before the first; and what is another at the
        start is on trial as well, as nobody there has the card in the hand.
        """
        kept = files.read(self._last_good)
        is_kept = kept.content == data if kept is not None else not self._custom
        if is_kept:
            self.trials.end()
        elif self._is_new and (not self._custom or self.trials.is_about(data)):
            self.trials.resume(data)
        elif not self.trials.refusal(data):
            self.trials.begin(data, before, at_start=self._is_new)
        return self.trials.refusal(data)

    def _instead(self, data: bytes, facts: Facts, problems: tuple[Problem, ...], trouble: str) -> Configuration:
        """What was in force until now, in this run or the last one; else a rescue."""
        if self._current is not None and self._current.source in (Source.FILE, Source.LAST_GOOD):
            good, marks = self._current.appliance, self._current.marks
        else:
            self._used = None
            try:
                parsed = self.checked(_content(self._last_good), str(self._last_good))
            except ApplianceError:
                source = Source.NOTHING if self._custom else Source.RESCUE
                return Configuration(self._rescue(data, facts), source, {}, problems, (), trouble)
            good, marks = parsed.appliance, parsed.marks
        return Configuration(good, Source.LAST_GOOD, marks, problems, (), trouble)

    def _rescue(self, data: bytes, facts: Facts) -> Appliance:
        if self._custom:
            return Appliance(profile=Profile.CUSTOM)
        return rescue(data, facts.links, self._keys(), made_for_gadget=self._gadget_unit.exists())

    def _keys(self) -> tuple[str, ...]:
        try:
            installed = files.read(self._installed_keys)
        except ApplianceError:
            return ()
        return tuple(installed.content.decode(errors="replace").splitlines()) if installed is not None else ()


def _stale(configuration: Configuration, facts: Facts) -> bool:
    """A rescue by an interface that is not there (any more)."""
    uplink = configuration.appliance.uplink
    return configuration.source is Source.RESCUE and uplink is not None and uplink.interface not in facts.links


def _content(path: Path) -> bytes:
    file = files.read(path)
    if file is None:
        raise InputError(f"there is no {path}")
    return file.content
