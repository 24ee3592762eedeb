"""What the kernel has counted of each of a policy's rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from appliance.firewall import Logged
from firstboot.policy.compiled import FORWARD, INPUT
from firstboot.policy.rules import FAMILIES, Policy
from firstboot.policy.text import UFW, tables

Count = tuple[int, int]
"""Packets, and bytes."""

Counts = Mapping[tuple[str, str], Sequence[Count]]
"""By (table, chain): those of each rule, in order."""


def by_rule(policy: Policy, counts: Mapping[int, Counts]) -> Mapping[int | None, Count]:
    """By number of the rule, of both families; None: what none of them decided."""
    found: dict[int | None, list[Count]] = {}
    for family in FAMILIES:
        kernel = counts.get(family, {})
        for number, chain, at in (*_ours(policy, family), *_ufws(policy, family), *_rest(policy, family, kernel)):
            rules = kernel.get(("filter", chain), ())
            if at < len(rules):
                found.setdefault(number, []).append(rules[at])
    return {
        number: (sum(packets for packets, _ in each), sum(size for _, size in each)) for number, each in found.items()
    }


def _ours(policy: Policy, family: int) -> Iterator[tuple[int, str, int]]:
    """Each line that is for a rule: its number, the chain, and the place there."""
    [table] = (table for table in tables(policy, family) if table.name == "filter")
    # The comment with the version is a rule by itself, the first one of its chain (ufw-before.rules.j2).
    seen = dict.fromkeys(table.chains, 0) | {f"{UFW[family]}-before-{INPUT}": 1}
    for line in table.lines:
        if line.rule is not None:
            yield line.rule, line.chain, seen[line.chain]
        seen[line.chain] += 1


def _ufws(policy: Policy, family: int) -> Iterator[tuple[int, str, int]]:
    for number, rule in enumerate(policy.rules):
        yield from ((number, chain, at) for of, chain, at in rule.lines if of == family)


def _rest(policy: Policy, family: int, kernel: Counts) -> Iterator[tuple[None, str, int]]:
    """Where everything ends: after a line for what is known, and one that logs, if any; and where ufw skips to."""
    for stage, first in (("reject", 1 + int(policy.log is not Logged.NONE)), ("skip-to-policy", 0)):
        for way in (INPUT, FORWARD):
            chain = f"{UFW[family]}-{stage}-{way}"
            yield from ((None, chain, at) for at in range(first, len(kernel.get(("filter", chain), ()))))
