"""Reading what iptables-save prints, and writing what iptables-restore reads. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

HOOKS = (("mangle", "FORWARD", "appliance-mss"), ("nat", "POSTROUTING", "appliance-nat"))
"""The jumps into the chains of ours that ufw has no place for: (table, chain, target)."""

_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
"""ufw's chains, in the order in which it hooks them into a built-in chain (ufw-init-functions, ufw_start)."""

_VERSION = re.compile(r'--comment "appliance ([0-9a-f]+)"')


@dataclass(frozen=True)
class Ruleset:
    """Rules of all tables of one family.

    `policies`: (table, chain) → policy of a built-in chain; `counts`: (table, chain) → number of rules;
    `jumps`: (table, chain, target) → number of unconditional jumps.
    """

    version: str = ""
    policies: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    jumps: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def parse(text: str) -> Ruleset:
    """Read rules as iptables-save writes and iptables-restore reads them."""
    table, version = "", ""
    policies: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    jumps: Counter[tuple[str, str, str]] = Counter()
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and words[1] != "-":
            policies[table, words[0][1:]] = words[1]
        elif line.startswith("-A "):
            counts[table, words[1]] += 1
            if len(words) == 4 and words[2] == "-j":
                jumps[table, words[1], words[3]] += 1
            if match := _VERSION.search(line):
                version = match[1]
    return Ruleset(version, policies, counts, jumps)


def hooks(family: int) -> tuple[tuple[str, str, str], ...]:
    """Every jump that must be there exactly once, in order: ufw's, the one to the user's rules, and ours."""
    chain = "ufw" if family == 4 else "ufw6"
    found = []
    for builtin in ("INPUT", "OUTPUT", "FORWARD"):
        direction = builtin.lower()
        found += [("filter", builtin, f"{chain}-{stage}-{direction}") for stage in _STAGES]
        found.append(("filter", f"{chain}-before-{direction}", f"{chain}-user-{direction}"))
    return (*found, *HOOKS)


def restoring(text: str, kernel: Ruleset, family: int) -> str:
    """What iptables-restore --noflush must read to put everything right, each table in one step.

    `text` declares the chains that it fills, which empties them first: the jump to the user's rules, at the
    end of ufw's chains, has to be laid again. The jumps in the built-in chains are laid again only where one
    of them is missing or doubled; other programs' rules there keep their place.
    """
    filled = {(table, chain) for table, chain in parse(text).counts}
    blocks: dict[str, list[str]] = {"filter": [":INPUT DROP", ":FORWARD DROP"]}
    for table, lines in _tables(text).items():
        blocks.setdefault(table, []).extend(lines)
    for table, chain in dict.fromkeys((table, chain) for table, chain, _ in hooks(family)):
        targets = [target for hooked, source, target in hooks(family) if (hooked, source) == (table, chain)]
        if (table, chain) in filled:
            blocks[table] += [f"-A {chain} -j {target}" for target in targets]
        elif any(kernel.jumps[table, chain, target] != 1 for target in targets):
            for target in targets:
                blocks[table] += [f"-D {chain} -j {target}"] * kernel.jumps[table, chain, target]
            blocks[table] += [f"-A {chain} -j {target}" for target in targets]
    return "".join(f"*{table}\n" + "\n".join(lines) + "\nCOMMIT\n" for table, lines in blocks.items())


def _tables(text: str) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith((":", "-")):
            tables.setdefault(table, []).append(line)
    return tables
