"""What was wrong with the firewall's rules in the kernel, in words: it is put right, and said. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from firstboot.rulesets import CLOSED, OPEN, Ruleset

_USERS = ("ufw-user-", "ufw6-user-")
"""The chains that ufw empties and fills again by itself, for `ufw allow`, and maybe while the daemon looks on."""

TOLD = 4
"""So much is said of one repair; of a flushed table everything would be wrong."""


def told(
    kernel: Ruleset, wanted: frozenset[tuple[str, str, int]], jumps: Mapping[tuple[str, str, str], int], mark: str
) -> str:
    """What was changed. `wanted`: rules by (table, chain, number), jumps aside; `jumps`: how often each must be there;
    `mark`: of the text that all of it is of.

    "" where nothing is known to have been changed: they are loaded for the first time, or others are wanted now.
    """
    found = list(_policies(kernel)) if kernel.remembered or kernel.is_ours else []
    if kernel.remembered == mark:
        tables = _flushed(kernel, wanted)
        found += [f"the table {table} was flushed" for table in tables]
        found += [*_jumps(kernel, jumps, tables), *_chains(kernel, tables)]
    more = [f"and {len(found) - TOLD} more"] if len(found) > TOLD else []
    return ", ".join([*found[:TOLD], *more])


def _policies(kernel: Ruleset) -> Iterator[str]:
    yield from (f"the policy of {chain} was ACCEPT" for table, chain in CLOSED if (table, chain) not in kernel.dropping)
    if OPEN in kernel.dropping:
        yield f"the policy of {OPEN[1]} was DROP"


def _flushed(kernel: Ruleset, wanted: frozenset[tuple[str, str, int]]) -> Sequence[str]:
    """The tables without any rule in the chains that are to have some."""
    tables = dict.fromkeys(table for table, _, _ in sorted(wanted))
    return [table for table in tables if not any(kernel.counts[place[:2]] for place in wanted if place[0] == table)]


def _jumps(kernel: Ruleset, jumps: Mapping[tuple[str, str, str], int], flushed: Sequence[str]) -> Iterator[str]:
    missing: dict[str, list[str]] = {}
    for (table, chain, target), count in jumps.items():
        found = kernel.jumps[table, chain, target]
        if found > count:
            yield f"{chain} led to {target} {'more than once' if count else 'for nothing'}"
        elif found < count and table not in flushed:
            missing.setdefault(chain, []).append(target)
    for chain, targets in missing.items():
        yield f"{chain} did not lead to {targets[0]}" + (f" and {len(targets) - 1} more" if targets[1:] else "")


def _chains(kernel: Ruleset, flushed: Sequence[str]) -> Iterator[str]:
    for table, chain in sorted(kernel.altered):
        if table not in flushed and not chain.startswith(_USERS):
            what = "had other rules" if kernel.counts[table, chain] else "had no rules"
            yield f"{chain} {what}"
