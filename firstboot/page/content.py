"""Everything that the page has to say, in the order in which it says it. Pure.

No secret comes in here: of appliance.yaml only what is shown on the network anyway, of messages only those of the
status, which leave out what is secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from firstboot.actions import REPAIRED
from firstboot.history import Entry
from firstboot.page.cards import Card, cards
from firstboot.page.leases import Leases
from firstboot.page.refused import Refused
from firstboot.picture import TUNNELS, Station
from firstboot.status import Overall, Sign, Source, Status, line_of

CHANGES_SHOWN, AT_ONCE = 12, 5
"""How many changes there are, and how many of them without asking for more."""


@dataclass(frozen=True)
class Trouble:
    """Something that is not right, and what may be done about it ("": nothing is known). `where`: part or place."""

    what: str
    hint: str
    where: str


@dataclass(frozen=True)
class Change:
    """What was done, when (ISO 8601, UTC), and why: what had happened, or who wants it.

    `more`: how much more was done with it.
    """

    when: str
    part: str
    what: str
    why: str
    more: int = 0


@dataclass(frozen=True)
class Content:
    """The page."""

    hostname: str
    profile: str
    sign: Sign
    verdict: str
    hint: str
    way: tuple[Station, ...]
    troubles: tuple[Trouble, ...]
    cards: tuple[Card, ...]
    leases: Leases
    refused: Refused | None
    changes: tuple[Change, ...]
    parts: tuple[tuple[str, str], ...]
    """Each part of the appliance, and its state."""
    titles: Mapping[str, str]
    """What the parts are in plain words, by their names."""

    @property
    def more(self) -> tuple[Trouble, ...]:
        """What the verdict does not say."""
        return self.troubles if self.sign is Sign.GOOD else self.troubles[1:]

    @property
    def latest(self) -> tuple[Change, ...]:
        """Of the changes, those that everybody sees."""
        return self.changes[:AT_ONCE]

    @property
    def earlier(self) -> tuple[Change, ...]:
        """The others."""
        return self.changes[AT_ONCE:]

    def as_json(self) -> Mapping[str, Any]:
        """For programs; stable keys."""
        found = asdict(self)
        if self.refused is not None:
            found["refused"] = {
                "packets": self.refused.packets,
                "bytes": self.refused.bytes,
                "reasons": found["refused"]["reasons"],
            }
        return {**found, "parts": dict(self.parts)}


def content(
    status: Status,
    *,
    history: Sequence[Entry],
    settings: Mapping[str, str],
    leases: Leases,
    refused: Refused | None,
) -> Content:
    """`history`: the newest first; `settings`: by kind, the path in appliance.yaml that wants it."""
    troubles = tuple(_sentences(_troubles(status)))
    sign, verdict, hint = _verdict(status, troubles)
    return Content(
        hostname=status.hostname,
        profile=status.appliance.profile,
        sign=sign,
        verdict=verdict,
        hint=hint,
        way=tuple(status.way),
        troubles=troubles,
        cards=tuple(cards(status)),
        leases=leases,
        refused=refused,
        changes=tuple(islice(_changes(history, status, settings), CHANGES_SHOWN)),
        parts=tuple((outcome.kind, str(outcome.state)) for outcome in status.outcomes),
        titles=status.titles,
    )


def _verdict(status: Status, troubles: Sequence[Trouble]) -> tuple[Sign, str, str]:
    """The sign, one sentence, and a hint: of what is first on the way to all that is wrong."""
    sign, first = status.sign, next(iter(troubles), None)
    if first is None:
        return sign, "Everything works", ""
    if sign is Sign.GOOD and status.overall is not Overall.CONFIG_ERROR:
        more = "is one thing" if len(troubles) == 1 else f"are {len(troubles)} things"
        return sign, "Everything works", f"There {more} to know, see below."
    return max(sign, Sign.WAITING, key=list(Sign).index), first.what, first.hint


def _sentences(troubles: Iterable[Trouble]) -> Iterator[Trouble]:
    """As people write them: elsewhere each stands behind a colon. What is a name stays one."""
    for trouble in troubles:
        yield Trouble(_capital(trouble.what), _capital(trouble.hint), trouble.where)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0].rstrip(":").isalpha() else text


def _troubles(status: Status) -> Iterator[Trouble]:
    """All that is not right: the machine's failure, its parts, the file; then what works all the same."""
    if status.failure:
        yield Trouble(status.failure, "", "the daemon")
    for outcome in status.causes:
        line = status.line_of(outcome)
        where = status.called(outcome.kind) + (f", line {line} of {status.source}" if line else "")
        yield Trouble(outcome.error, outcome.hint, where)
    if status.trouble:
        yield Trouble(f"appliance.yaml is not used: {status.trouble}", f"in force is the {status.source}", "the card")
    for number, problem in enumerate(status.problems):
        what = f"appliance.yaml has a mistake and is not used: {problem.message}"
        hints = [f"in force is the {status.source}"] if number == 0 else []
        hints += [problem.hint] if problem.hint else []
        yield Trouble(what, ". ".join(map(_capital, hints)), f"line {problem.mark.line}")
    if status.refused:
        what = f"appliance.yaml was tried, and taken back: {status.refused}"
        hint = f"in force is the {status.source}; `sudo appliance apply` tries the other one again"
        yield Trouble(what, hint, "the card")
    if status.trial:
        yield Trouble(status.trial, "", "the configuration on trial")
    for warning in status.warnings:
        yield Trouble(warning.message, warning.hint, f"line {warning.mark.line}")
    for rank in range(len(status.appliance.tunnels)):
        found = status.facts.health_of(rank).diagnosis
        if found.works and found.hint:
            yield Trouble(found.sentence, found.hint, TUNNELS[rank])


def _changes(history: Iterable[Entry], status: Status, settings: Mapping[str, str]) -> Iterator[Change]:
    """What was done at once for the same reason is one: of one part, or of all where something had happened."""
    told: dict[tuple[str, ...], list[Change]] = {}
    for entry in history:
        what, repaired, drift = entry.what.partition(REPAIRED)
        wanted_by = entry.why or _wanted_by(entry.kind, status, settings)
        why = f"somebody else had changed it: {drift}" if repaired else wanted_by
        together = (why, entry.kind if repaired or not entry.why else "", "" if entry.is_deed else what)
        change = Change(f"{entry.when.replace(' ', 'T')}+00:00", entry.kind, what, why)
        told.setdefault((entry.when, *together), []).append(change)
    yield from (replace(changes[0], more=len(changes) - 1) for changes in told.values())


def _wanted_by(kind: str, status: Status, settings: Mapping[str, str]) -> str:
    """The setting that the part is there for, and its line; else the configuration that is in force."""
    setting = settings.get(kind, "")
    line = line_of(setting, status.marks) if status.source is Source.FILE else None
    return f"wanted by {setting}, line {line} of {status.source}" if line else f"wanted by: {status.source}"
