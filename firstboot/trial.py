"""A new configuration in the place of one that worked is on trial: it is kept once it has shown that it works.

What is known of a trial is on the card before anything is changed, and goes from one state to the next in one step, so
that a power cut leaves either configuration in force and never something in between.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError
from firstboot import files
from firstboot.management import Visits, Way, lost, shut_out, ways
from firstboot.reconcile import Outcome, State

CONFIRM_S = 60.0
RESUMED_S = 180.0
"""After a start: a Zero needs a minute until it is on the network, and whoever wants to reach it does not know when."""

ATTEMPTS = 2
"""A trial in which the machine went down is taken up again at the next start, so often in all."""

LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Checkpoint:
    """What was before: by which ways the machine was reached, dnsmasq's leases, and what was not right (`_wrongs`)."""

    ways: tuple[Way, ...] = ()
    leases: tuple[str, ...] = ()
    not_right: tuple[str, ...] = ()


def checkpoint(visits: Visits, outcomes: Iterable[Outcome]) -> Checkpoint:
    """The machine before a change."""
    return Checkpoint(ways(visits), visits.leases, tuple(wrong for outcome in outcomes for wrong in _wrongs(outcome)))


@dataclass(frozen=True)
class Trial:
    """One configuration's, known by its digest. `refused`: why it was taken back; "" while it is under way."""

    digest: str
    before: Checkpoint
    attempts: int = 1
    refused: str = ""


class Verdict(Enum):
    """What a trial has shown so far."""

    KEEP = auto()
    WAIT = auto()
    TAKE_BACK = auto()


class Trials:
    """The last trial, in `file`. To be used from one thread, but for `confirm`."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = file, clock
        self._trial = _read(file)
        self._until_s = self._applied_s = math.inf
        self._confirmed = False

    @property
    def under_way(self) -> bool:
        """Whether a configuration is on trial."""
        return self._trial is not None and not self._trial.refused

    def is_about(self, content: bytes) -> bool:
        """Whether this configuration was the last one that was tried."""
        return self._trial is not None and self._trial.digest == _digest(content)

    def begin(self, content: bytes, before: Callable[[], Checkpoint], *, at_start: bool = False) -> None:
        """Put a configuration on trial; of one that follows another that is, what was before both counts.

        `at_start`: the daemon has just started, and with nobody connected most likely the machine, too.
        """
        same = self._trial.before if self._trial is not None and self.under_way else before()
        self._start(Trial(_digest(content), same), RESUMED_S if at_start and not same.ways else CONFIRM_S)

    def resume(self, content: bytes) -> None:
        """The daemon has started: go on with what was under way, if it was about this configuration."""
        trial = self._trial
        if trial is None or not self.is_about(content):
            self.end()
        elif trial.attempts >= ATTEMPTS and not trial.refused:
            self.refuse(f"the machine went down {ATTEMPTS} times while it was tried")
        elif not trial.refused:
            self._resume(trial)

    def refusal(self, content: bytes) -> str:
        """Why this configuration was taken back; "" if it was not."""
        return self._trial.refused if self._trial is not None and self.is_about(content) else ""

    def refuse(self, reason: str) -> None:
        """The configuration is taken back, and stays so until it is another or somebody asks for it.

        Also where that cannot be written, which is raised: at the next start it is on trial again then.
        """
        if self._trial is not None:
            self._trial = replace(self._trial, refused=reason)
            self._write(self._trial)

    def end(self) -> None:
        """There is nothing on trial, and nothing refused.

        A file that cannot be removed does no harm: it is about what was kept, or is not on the card any more.
        """
        if self._trial is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
        self._trial = None

    def confirm(self) -> bool:
        """Somebody says that all is well; whether there was anything to be said about."""
        self._confirmed = self.under_way
        return self._confirmed

    def was_applied(self) -> None:
        """The first pass with what is in force is over: whoever is heard from now on is heard with that."""
        self._applied_s = min(self._applied_s, self._clock())

    def due_in_s(self) -> float:
        """When to ask for the verdict again. Where it cannot be written what it was, each pass tries that again."""
        is_decided = self._clock() >= self._until_s + 2 * LOOK_EVERY_S
        return LOOK_EVERY_S if self.under_way and not is_decided else math.inf

    def told(self) -> str:
        """What a person should know of it; "" while nothing is on trial."""
        if self._trial is None or not self.under_way:
            return ""
        links = " and ".join(dict.fromkeys(way.link for way in self._trial.before.ways))
        used = f"and this machine is reached over {links} again, " if links else ""
        left_s = max(self._until_s - self._clock(), 0)
        return (
            f"on trial for up to {left_s:.0f} s: kept once everything is right {used}or by `appliance confirm`; "
            "else what was in force before returns"
        )

    def verdict(self, outcomes: Collection[Outcome], visits: Callable[[], Visits]) -> tuple[Verdict, str]:
        """What the last pass and a look at who is connected say; and why, where it is to be taken back."""
        if self._trial is None or not self.under_way or math.isinf(self._applied_s):
            return Verdict.WAIT, ""
        now_s = self._clock()
        before, is_late = self._trial.before, now_s >= self._until_s
        if self._confirmed:
            return Verdict.KEEP, ""
        in_vain = [new for o in outcomes if o.in_vain or o.state is State.FAILED for new in _new(o, before.not_right)]
        waits = any(outcome.state is not State.OK for outcome in outcomes) and not is_late
        if waits:
            return Verdict.WAIT, ""
        why = "; ".join(in_vain) or _why(before, visits(), now_s - self._applied_s)
        if not why:
            return Verdict.KEEP, ""
        return (Verdict.TAKE_BACK, why) if is_late else (Verdict.WAIT, "")

    def _start(self, trial: Trial, longest_s: float) -> None:
        """Written first: what cannot be remembered is not begun."""
        self._write(trial)
        self._trial = trial
        self._until_s, self._applied_s, self._confirmed = self._clock() + longest_s, math.inf, False

    def _resume(self, trial: Trial) -> None:
        """Where it cannot be counted how often that was done, it is not done at all."""
        try:
            self._start(replace(trial, attempts=trial.attempts + 1), RESUMED_S)
        except ApplianceError as error:
            self._trial = replace(trial, refused=f"the machine went down while it was tried, and {error.message}")

    def _write(self, trial: Trial) -> None:
        files.replace(self._file, (json.dumps(asdict(trial), default=str, indent=2) + "\n").encode(), 0o600)


def _wrongs(outcome: Outcome) -> Mapping[str, str]:
    """What is not right of a kind, and that in a person's words.

    By the keys of what differs, so that one thing that was not right before is no excuse for another of its kind; by
    the error where the kind does not come so far as to compare anything.
    """
    if outcome.state is State.OK:
        return {}
    keys = {text.partition(": ")[0]: text for text in outcome.differs} or {outcome.error: outcome.error}
    return {f"{outcome.kind}: {key}": f"{outcome.kind}: {text}" for key, text in keys.items()}


def _new(outcome: Outcome, not_right: Collection[str]) -> Sequence[str]:
    """What is not right of a kind and was before, in a person's words."""
    wrongs = _wrongs(outcome)
    new = [text for key, text in wrongs.items() if key not in not_right]
    return [f"{outcome.kind}: {outcome.error}"] if new and len(new) == len(wrongs) else new


def _why(before: Checkpoint, now: Visits, applied_s: float) -> str:
    """Why it cuts somebody off; "" if it does not."""
    if refused := shut_out(before.ways, now):
        who = " and ".join(dict.fromkeys(f"{way.peer} over {way.link}" for way in refused))
        return f"the firewall lets in no new ssh connection from {who} (firewall.management.ssh_from says from where)"
    gone = lost(before.ways, before.leases, now, applied_s)
    return f"nobody reached this machine by {' and '.join(dict.fromkeys(map(str, gone)))} any more" if gone else ""


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _read(file: Path) -> Trial | None:
    """None also for a file that cannot be read: then the configuration on the card counts, as on a first start."""
    try:
        found = files.read(file)
        return _trial(json.loads(found.content)) if found is not None else None
    except (ApplianceError, ValueError, TypeError, KeyError):
        return None


def _trial(content: Mapping[str, Any]) -> Trial:
    before = content["before"]
    found = tuple(
        Way(**{**way, "own": ip_address(way["own"]), "peer": ip_address(way["peer"])}) for way in before["ways"]
    )
    kept = Checkpoint(found, tuple(before["leases"]), tuple(before["not_right"]))
    return Trial(content["digest"], kept, content["attempts"], content["refused"])
