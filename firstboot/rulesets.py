"""Reading what iptables-save prints. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

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
