"""What is told to people: by `appliance status`, at the login, and in appliance-status.txt on the card. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import Problem
from firstboot.health.diagnosis import HEALTHY
from firstboot.picture import TUNNELS, Hop, drawn
from firstboot.reconcile import State
from firstboot.sharing import Mode, Offered
from firstboot.status import Sign, Status

MORE = "More: appliance status, appliance logs, appliance --help"
HEADLINES = {
    Sign.GOOD: "UP: everything is as {source} wants it.",
    Sign.WAITING: "NOT UP YET: {what}",
    Sign.BROKEN: "BROKEN: {what}",
}
UP_BUT = "UP, BUT: {what}"
"""Where the whole way works, and something beside it is not as it shall be."""
_WORDS = {Sign.WAITING: "WAITING", Sign.BROKEN: "BROKEN"}


def to_text(status: Status) -> str:
    """The report for a person who has nothing but the card: CRLF, so that Notepad of any age shows lines."""
    parts = [_headline(status), _way(status), _told_first(status), _configuration(status), _network(status)]
    return "\r\n".join(line for part in parts if part for line in ("", *part)).removeprefix("\r\n") + "\r\n"


def to_local_text(status: Status) -> str:
    """The same for whoever is logged in, who is also told what was repaired: the card would be written each time."""
    repairs = ["", "Repaired lately (UTC):", *(f"  {line}" for line in status.repairs)] if status.repairs else []
    return "\n".join([*to_text(status).splitlines(), *repairs]) + "\n"


def to_part_list(status: Status) -> str:
    """All parts, and how each is."""
    parts = [f"  {status.called(outcome.kind)}: {outcome.state}" for outcome in status.outcomes]
    return "\n".join(["All parts:", *parts]) + "\n"


def to_login_message(status: Status) -> str:
    """The state in five lines at most, for whoever logs in."""
    title, first, *rest = _headline(status)
    others = len(status.causes) - (not status.failure)
    more = f" ({others} more)" if others > 0 and not rest else ""
    return "\n".join([f"{title}: {first}{more}", *_way(status), *_advice(status, rest), MORE]) + "\n"


def _advice(status: Status, rest: Sequence[str]) -> Sequence[str]:
    """One line below the picture, or none. `rest`: the headline but for its first line, which is told already."""
    if not rest:
        hint = "" if status.failure else next((outcome.hint for outcome in status.causes), "")
        return [f"  hint: {hint}"] if hint else []
    if status.sign is not Sign.GOOD:
        return [f"  {rest[-1]}"]
    if status.problems:
        return [f"  {_problem('ERROR', status.problems[0])[0]}"]
    return [f"  {line}" for line in rest[:-1]]


def _headline(status: Status) -> Sequence[str]:
    lines = [f"{status.hostname} ({status.appliance.profile})"]
    if status.problems:
        lines.append(f"CHECK appliance.yaml: it has mistakes and is not used. In force is the {status.source}.")
    elif status.trouble:
        lines.append(f"CHECK appliance.yaml: {status.trouble}. In force is the {status.source}.")
    elif status.refused:
        lines.append(f"CHECK appliance.yaml: it was tried, and taken back: {status.refused}.")
        lines.append(f"In force is the {status.source}; `sudo appliance apply` tries the other one again.")
    source = f"the {status.source}" if lines[1:] else status.source
    is_through = bool(status.way) and status.way[-1].hop is Hop.GOOD
    headline = UP_BUT if status.sign is Sign.WAITING and is_through else HEADLINES[status.sign]
    return [*lines, headline.format(source=source, what=_first(status))]


def _first(status: Status) -> str:
    """What is wrong, or waited for: what is first on the way to all of that."""
    return status.failure or next((outcome.error for outcome in status.causes), "")


def _way(status: Status) -> Sequence[str]:
    return [f"  {line}" for line in drawn(status.way)]


def _told_first(status: Status) -> Sequence[str]:
    """What is not as it shall be, each with its hint; of all the rest, how much there is."""
    lines = [line for problem in status.problems for line in _problem("ERROR", problem)]
    for outcome in status.causes:
        line = status.line_of(outcome)
        where = f" (appliance.yaml line {line})" if line else ""
        lines.append(f"{_WORDS[status.sign_of(outcome)]} {status.called(outcome.kind)}: {outcome.error}{where}")
        lines += [f"  hint: {outcome.hint}"] if outcome.hint else []
    blocked = [outcome.kind for outcome in status.outcomes if outcome.state is State.BLOCKED]
    if blocked:
        lines.append(f"Waiting for that: {', '.join(blocked)}")
    well, number = sum(outcome.state is State.OK for outcome in status.outcomes), len(status.outcomes)
    if well:
        rest = f"All {number} parts" if well == number else f"{well} other part{'s' if well > 1 else ''}"
        lines.append(f"{rest}: ok")
    return lines


def _configuration(status: Status) -> Sequence[str]:
    trial = [f"  {status.trial}"] if status.trial else []
    warnings = [f"  {line}" for problem in status.warnings for line in _problem("warning", problem)]
    return [f"Configuration in force: {status.source}", *trial, *warnings]


def _problem(label: str, problem: Problem) -> Sequence[str]:
    told = f"{label} line {problem.mark.line}, column {problem.mark.column}: {problem.message}"
    return [told, *([f"  hint: {problem.hint}"] if problem.hint else [])]


def _network(status: Status) -> Sequence[str]:
    found = [f"  {name}: {', '.join(addresses)}" for name, addresses in status.interfaces.items()]
    joined = [f"Wi-Fi: {status.wifi}"] if status.wifi else []
    cable = [f"Cable {offered.interface}: {offered.mode}, {_meaning(offered)}" for offered in status.cable]
    return [
        *(["Addresses:", *found] if found else ["Addresses: none"]),
        *joined,
        *cable,
        *_tunnel(status),
        *_lan(status),
    ]


def _tunnel(status: Status) -> Sequence[str]:
    """What is to be said of those that work. Of one that does not, the part `reach` tells."""
    lines = []
    for rank, name in enumerate(TUNNELS[: len(status.appliance.tunnels)]):
        found = status.facts.health_of(rank).diagnosis
        if found.works and found != HEALTHY:
            lines += [f"{name.capitalize()}: {found.sentence}", f"  hint: {found.hint}"]
    return lines


def _lan(status: Status) -> Sequence[str]:
    """Whether the LAN is offered what the tunnel is for."""
    lan = status.appliance.lan
    if lan is None or not status.offered6 or not status.facts.links:
        return []
    return [f"LAN {lan.interface}: the network is offered {status.offered6}"]


def _meaning(offered: Offered) -> str:
    if offered.mode is Mode.ROUTE:
        families = " and ".join(f"IPv{family}" for family in offered.families)
        return f"the laptop is offered a way out for {families}" if families else "the laptop is offered no way out"
    return "the laptop reaches the Pi alone" if offered.mode is Mode.LOCAL else "the laptop is the Pi's way out"
