"""What was wrong with the firewall's rules in the kernel, in words: it is put right, and said. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firstboot.rulesets import CLOSED, Ruleset, hooks

TOLD = 4
"""So much is said of one repair; of a flushed table everything would be wrong."""


def told(kernel: Ruleset, wanted: frozenset[tuple[str, str, int]], family: int, mark: str) -> str:
    """What was changed; `wanted`: rules by (table, chain, number), jumps aside; `mark`: of the text that they are of.

    "" where nothing is known to have been changed: they are loaded for the first time, or others are wanted now.
    """
    found = list(_policies(kernel))
    if kernel.remembered:
        is_same = kernel.remembered == mark
        tables = list(_flushed(kernel, wanted))
        found += [f"the table {table} was flushed" for table in tables]
        found += _jumps(kernel, family, tables)
        found += _chains(kernel, tables) if is_same else []
    more = [f"and {len(found) - TOLD} more"] if len(found) > TOLD else []
    return ", ".join([*found[:TOLD], *more])


def _policies(kernel: Ruleset) -> Iterator[str]:
    yield from (f"the policy of {chain} was ACCEPT" for table, chain in CLOSED if (table, chain) not in kernel.dropping)


def _flushed(kernel: Ruleset, wanted: frozenset[tuple[str, str, int]]) -> Sequence[str]:
    """The tables without any rule in the chains that are to have some."""
    tables = dict.fromkeys(table for table, _, _ in sorted(wanted))
    return [table for table in tables if not any(kernel.counts[place[:2]] for place in wanted if place[0] == table)]


def _jumps(kernel: Ruleset, family: int, flushed: Sequence[str]) -> Iterator[str]:
    missing: dict[str, list[str]] = {}
    for table, chain, target in hooks(family):
        count = kernel.jumps[table, chain, target]
        if count > 1:
            yield f"{chain} led to {target} more than once"
        elif count == 0 and table not in flushed:
            missing.setdefault(chain, []).append(target)
    for chain, targets in missing.items():
        yield f"{chain} did not lead to {targets[0]}" + (f" and {len(targets) - 1} more" if targets[1:] else "")


def _chains(kernel: Ruleset, flushed: Sequence[str]) -> Iterator[str]:
    for table, chain in sorted(kernel.altered):
        if table not in flushed:
            what = "had other rules" if kernel.counts[table, chain] else "had no rules"
            yield f"{chain} {what}"
