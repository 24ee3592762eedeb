"""The rules that ufw loads after the policy: the user's (`ufw allow …`), and those of its after.rules. Pure.

What decides are the lines for iptables-restore. The comment that ufw writes above those of each of its rules is that
rule in its own form, a tuple of fields, and becomes the words by which the rule is known (ufw's backend_iptables.py,
`_write_rules`). Where a line is not understood here, that is said, and nothing is said about what it decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

from appliance.firewall import Zone
from firstboot.policy.compiled import FORWARD, INPUT, OUTPUT
from firstboot.policy.rules import FAMILIES, Action, Group, Rule
from firstboot.policy.text import UFW
from firstboot.policy.ufw_lines import UnreadError, rule_of
from firstboot.policy.ufw_words import words_of

TUPLE = "### tuple ###"
UNREAD = "an ufw rule that this cannot read"
LIMITED = "more than 5 within 30 s from one address are rejected"
_LOGS = "_log"
"""What the action of a rule that logs ends with, `_log` or `_log-all`."""
BUILT_IN = {"INPUT": INPUT, "OUTPUT": OUTPUT, "FORWARD": FORWARD}
ENDS = {INPUT: (Zone.ANY, Zone.BOX), OUTPUT: (Zone.BOX, Zone.ANY), FORWARD: (Zone.ANY, Zone.ANY)}


@dataclass(frozen=True)
class _Line:
    """A line of a chain. `heading`: the tuple above it, or ""; `place`: where in its chain it is."""

    table: str
    chain: str
    words: str
    heading: str
    place: int

    @property
    def target(self) -> str:
        """Where it leads to; "": nowhere, it only takes note."""
        return self.words.partition("-j ")[2].partition(" ")[0]


def ufw_rules(texts: Mapping[int, str]) -> tuple[Rule, ...]:
    """All of them in their order; `texts`: by family, what ufw loads after the policy."""
    return _merged(texts.get(4, ""), texts.get(6, ""))


@lru_cache(maxsize=4)
def _merged(text4: str, text6: str) -> tuple[Rule, ...]:
    """One that both families have is one rule. Kept, as it is asked for in every pass."""
    merged: list[Rule] = []
    rest = [*_rules(text6, 6)]
    for rule in _rules(text4, 4):
        at = next((at for at, other in enumerate(rest) if _is_same(rule, other)), None)
        if at is None:
            merged.append(rule)
        else:
            merged += [*rest[:at], replace(rule, families=FAMILIES, lines=(*rule.lines, *rest[at].lines))]
            del rest[: at + 1]
    return (*merged, *rest)


def _is_same(rule: Rule, other: Rule) -> bool:
    return replace(rule, families=(), lines=()) == replace(other, families=(), lines=())


def _rules(text: str, family: int) -> Iterator[Rule]:
    """First the user's, then those of after.rules; last what is somewhere else."""
    ufw, lines = UFW[family], [line for line in _lines(text) if not _is_of_no_weight(line, UFW[family])]
    users, after = ({f"{ufw}-{stage}-{way}": way for way in ENDS} for stage in ("user", "after"))
    for heading, group in groupby((line for line in lines if line.chain in users), lambda line: line.heading):
        yield from _joined([_read(line, users[line.chain], family) for line in group], are_one=bool(heading))
    yield from _before_the_rest([line for line in lines if line.chain in after], after, family)
    for line in lines:
        if line.chain not in users and line.chain not in after:
            yield _unread(line, BUILT_IN.get(line.chain, "") if line.table == "filter" else "", family)


def _lines(text: str) -> Iterator[_Line]:
    table = heading = ""
    places: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(TUPLE):
            heading = line.removeprefix(TUPLE).strip()
        elif line.startswith("-"):
            command, chain, words = (*line.split(maxsplit=2), "", "")[:3]
            at = places[table, chain]
            places[table, chain] += 1
            yield _Line(table, chain, words if command == "-A" else f"{command} {words}", heading, at)
        else:
            heading = ""


def _is_of_no_weight(line: _Line, ufw: str) -> bool:
    """Whether it decides nothing: it logs, it counts for a limit, or is what a limit's chains are made of."""
    if line.table != "filter":
        return False
    counts = "-m recent " in line.words and line.target in ("", f"{ufw}-user-limit")
    is_logging = "-logging-" in line.chain and line.target in ("LOG", "RETURN")
    leads_there = line.target.startswith(f"{ufw}-user-logging-")
    return counts or is_logging or leads_there or line.chain.startswith(f"{ufw}-user-limit")


def _before_the_rest(lines: Sequence[_Line], ways: Mapping[str, str], family: int) -> Iterator[Rule]:
    """Of after.rules what matters: what leads to ufw's own end of everything at last is denied as the rest is."""
    kept = list(lines)
    while kept and kept[-1].target == f"{UFW[family]}-skip-to-policy-{ways[kept[-1].chain]}":
        kept.pop()
    return (_read(line, ways[line.chain], family) for line in kept)


def _read(line: _Line, way: str, family: int) -> Rule:
    try:
        rule = rule_of(line.words, UFW[family])
    except UnreadError:
        return _unread(line, way, family)
    from_, to = ENDS[way]
    words = line.words.replace(f"{UFW[family]}-", f"{UFW[4]}-")
    note = f"ufw rule: {words_of(line.heading)}" if line.heading else f"a line of ufw's files: {words}"
    limited = f"; {LIMITED}" if line.target.endswith("-user-limit-accept") else ""
    return replace(
        rule,
        from_=from_,
        to=to,
        families=(family,),
        chains=(way,),
        log=_LOGS in line.heading,
        note=note + limited,
        lines=((family, line.chain, line.place),),
    )


def _unread(line: _Line, way: str, family: int) -> Rule:
    """It may be about any packet that comes by there."""
    from_, to = ENDS.get(way, (Zone.ANY, Zone.ANY))
    where = "" if way else f"{line.table} {line.chain} "
    words = line.words.replace(f"{UFW[family]}-", f"{UFW[4]}-")
    return Rule(
        Group.UFW,
        Action.UNKNOWN,
        from_,
        to,
        families=(family,),
        chains=(way,) if way else (),
        note=f"{UNREAD}: {where}{words_of(line.heading) or words}",
        lines=((family, line.chain, line.place),),
    )


def _joined(rules: Sequence[Rule], *, are_one: bool) -> Sequence[Rule]:
    """The lines of one of ufw's rules (one of TCP, one of UDP) as one rule."""
    found: list[Rule] = []
    for rule in rules:
        if are_one and found and replace(rule, traffic=(), lines=()) == replace(found[-1], traffic=(), lines=()):
            traffic, lines = (*found[-1].traffic, *rule.traffic), (*found[-1].lines, *rule.lines)
            found[-1] = replace(rule, traffic=tuple(dict.fromkeys(traffic)), lines=lines)
        else:
            found.append(rule)
    return found
